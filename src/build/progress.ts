/** A step of a build as `--progress=plain` shows it: `#7 [linux/arm64 stage 2/5] RUN make`. */
export interface BuildStep {
  readonly id: number;
  /** `[linux/arm64 stage 2/5] RUN make` */
  readonly name: string;
  /** Absent where one platform is built: BuildKit does not name it then. */
  readonly platform?: string;
  /** True for an instruction that runs or copies: what a cache can save. */
  readonly isInstruction: boolean;
  state: 'running' | 'cached' | 'done' | 'failed';
  /** The last lines that it printed. */
  readonly lines: string[];
}

/** How many instructions there were, and how many of them the cache answered. */
export interface InstructionCounts {
  readonly instructions: number;
  readonly cached: number;
}

export interface FailedStep {
  readonly name?: string;
  readonly platform?: string;
  /** BuildKit's last word: `process "/bin/sh -c false" did not complete successfully: exit code: 1`. */
  readonly reason: string;
  readonly lines: readonly string[];
}

const keptLines = 20;
const stepLine = /^#(\d+) (.*)$/;
/** `[platform stage n/m] INSTRUCTION`; the platform may be a cross build, `linux/amd64->arm64`. */
const instruction = /^\[(?:(?<platform>[a-z0-9]+\/[a-z0-9/]+(?:->[a-z0-9/]+)?) )?(?:\S+ )?\d+\/\d+\] (?<verb>[A-Z]+)/;
const outputLine = /^\d+\.\d+ (.*)$/;

/** Reads the plain output of one run of buildx line by line (BuildKit, util/progress/progressui/printer.go). */
export class BuildProgress {
  readonly #steps = new Map<number, BuildStep>();
  #reason: string | undefined;
  #firstFailed: BuildStep | undefined;

  /** Takes one line; returns the step when its state changed. */
  accept(line: string): BuildStep | undefined {
    if (line.startsWith('ERROR: ')) this.#reason = line.slice('ERROR: '.length).replace(/^failed to solve: /, '');
    const match = stepLine.exec(line);
    if (!match) return undefined;
    const id = Number(match[1]);
    const text = match[2] ?? '';
    const step = this.#steps.get(id);
    if (!step) return this.#begin(id, text);
    return this.#change(step, text);
  }

  counts(): InstructionCounts {
    const instructions = [...this.#steps.values()].filter((step) => step.isInstruction);
    return { instructions: instructions.length, cached: instructions.filter(({ state }) => state === 'cached').length };
  }

  /** What went wrong; undefined where buildx said nothing of an error. */
  failure(): FailedStep | undefined {
    const step = this.#firstFailed;
    if (!step) return this.#reason === undefined ? undefined : { reason: this.#reason, lines: [] };
    const { name, platform, lines } = step;
    return { name, ...(platform ? { platform } : {}), reason: this.#reason ?? 'failed', lines };
  }

  #begin(id: number, name: string): BuildStep | undefined {
    if (id === 0) return undefined; // `#0 building with "default" instance`
    const { platform, verb } = instruction.exec(name)?.groups ?? {};
    const step: BuildStep = {
      id,
      name,
      ...(platform ? { platform: targetOf(platform) } : {}),
      isInstruction: verb !== undefined && verb !== 'FROM',
      state: 'running',
      lines: [],
    };
    this.#steps.set(id, step);
    return step;
  }

  #change(step: BuildStep, text: string): BuildStep | undefined {
    const output = outputLine.exec(text)?.[1];
    if (output !== undefined) {
      step.lines.push(output);
      if (step.lines.length > keptLines) step.lines.shift();
      return undefined;
    }
    if (text === 'CACHED') step.state = 'cached';
    else if (text.startsWith('DONE ')) step.state = step.state === 'cached' ? 'cached' : 'done';
    else if (text.startsWith('ERROR: ')) step.state = 'failed';
    else return undefined;
    if (step.state === 'failed') this.#firstFailed ??= step;
    return step;
  }
}

/** `linux/amd64->arm/v7` runs on the first and builds for linux/arm/v7 (BuildKit leaves an equal system out). */
function targetOf(platform: string): string {
  const [from = '', to] = platform.split('->');
  return to === undefined ? from : `${from.split('/')[0] ?? ''}/${to}`;
}
