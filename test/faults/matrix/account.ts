import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Outcome } from './run-scenario.ts';
import type { Scenario, Store } from './scenarios.ts';

/** What a run of the matrix has found, scenario by scenario; docs/generate-faults.ts makes a page of it. */
export interface Account {
  readonly entries: readonly AccountEntry[];
}

export interface AccountEntry extends Pick<Outcome, 'end' | 'unaided' | 'violations'> {
  readonly store: Store;
  readonly point: string;
  readonly fault: string;
  readonly dataChanges: boolean;
  readonly hostFiles: boolean;
  readonly alone: boolean;
  readonly wellAfterMs: number;
  readonly tookMs: number;
  /** Not of the run that the others are of, but of a later one, after something was mended. */
  readonly isRepeated?: true;
}

const file = path.resolve(import.meta.dirname, '../../../build/faults/account.json');

const keeps = process.env['PROSE_SHIP_FAULTS_KEEP'] === '1';

/** Begins a new account; PROSE_SHIP_FAULTS_KEEP=1 goes on with the last one, to repeat single scenarios. */
export async function beginAccount(): Promise<void> {
  if (!keeps) await rm(file, { force: true });
}

export async function recordOutcome({ store, point, fault, dataChanges, hostFiles, alone }: Scenario, { end, unaided, wellAfterMs, tookMs, violations }: Outcome): Promise<void> {
  const { entries } = await readAccount();
  const entry: AccountEntry = {
    ...{ store, point: point.name, fault, dataChanges, hostFiles, alone, end, unaided, violations },
    ...{ wellAfterMs: Math.round(wellAfterMs), tookMs: Math.round(tookMs) },
    ...(keeps ? { isRepeated: true } : {}),
  };
  const others = entries.filter((one) => one.store !== store || one.point !== point.name || one.fault !== fault);
  await write({ entries: [...others, entry] });
}

export async function readAccount(): Promise<Account> {
  const text = await readFile(file, 'utf8').catch(() => '{"entries":[]}');
  return JSON.parse(text) as Account;
}

async function write(account: Account): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(account, undefined, 2)}\n`);
}
