import http from 'node:http';

export interface Answers {
  readonly asked: number;
  readonly answered: number;
  /** The longest time between two questions that follow each other among those that were answered. */
  readonly gapMs: number;
}

const everyMs = 20;
/** A question that is answered later counts as not answered. */
const patienceMs = 250;

/** How long a service may stay away. */
const mostMs = 60_000;

export interface Asking {
  /** Resolves when a question is answered that is asked from now on. @throws Error when none is within a minute */
  answeredAgain(): Promise<void>;
  stop(): Promise<Answers>;
}

/** Asks a service on a new connection every 20 ms, whatever becomes of the questions before. */
export function startAsking(url: string): Asking {
  const answeredAt: number[] = [];
  const questions: Promise<void>[] = [];
  const ask = async () => {
    const at = performance.now();
    if (await isAnswered(url)) answeredAt.push(at);
  };
  const timer = setInterval(() => questions.push(ask()), everyMs);
  return {
    answeredAgain: async () => {
      const from = performance.now();
      while (!answeredAt.some((at) => at >= from)) {
        if (performance.now() - from > mostMs) throw new Error(`${url} does not answer any more`);
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
    },
    stop: async () => {
      clearInterval(timer);
      await Promise.all(questions);
      const sorted = answeredAt.toSorted((one, other) => one - other);
      const gapMs = sorted.slice(1).reduce((most, at, index) => Math.max(most, at - (sorted[index] ?? at)), 0);
      return { asked: questions.length, answered: sorted.length, gapMs };
    },
  };
}

function isAnswered(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const request = http.get(url, { agent: false }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode === 200));
      response.once('close', () => resolve(false));
    });
    const timer = setTimeout(() => request.destroy(), patienceMs);
    request.once('close', () => clearTimeout(timer));
    request.once('error', () => resolve(false));
  });
}
