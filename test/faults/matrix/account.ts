import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Outcome } from './run-scenario.ts';
import type { Scenario, Store } from './scenarios.ts';

/** What a run of the matrix has found, scenario by scenario; docs/generate-faults.ts makes a page of it. */
export interface Account {
  readonly entries: readonly AccountEntry[];
  readonly stores: Readonly<Partial<Record<Store, StoreAccount>>>;
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
}

export interface StoreAccount {
  /** Acknowledged by the service in all scenarios together. */
  readonly records: number;
  readonly engineMiB: number;
}

const file = path.resolve(import.meta.dirname, '../../../build/faults/account.json');

/** Begins a new account; PROSE_SHIP_FAULTS_KEEP=1 goes on with the last one, to repeat single scenarios. */
export async function beginAccount(): Promise<void> {
  if (process.env['PROSE_SHIP_FAULTS_KEEP'] !== '1') await rm(file, { force: true });
}

export async function recordOutcome({ store, point, fault, dataChanges, hostFiles, alone }: Scenario, { end, unaided, wellAfterMs, tookMs, violations }: Outcome): Promise<void> {
  const account = await readAccount();
  const entry: AccountEntry = {
    ...{ store, point: point.name, fault, dataChanges, hostFiles, alone, end, unaided, violations },
    ...{ wellAfterMs: Math.round(wellAfterMs), tookMs: Math.round(tookMs) },
  };
  const others = account.entries.filter((one) => one.store !== store || one.point !== point.name || one.fault !== fault);
  await write({ ...account, entries: [...others, entry] });
}

export async function recordStore(store: Store, facts: StoreAccount): Promise<void> {
  const account = await readAccount();
  await write({ ...account, stores: { ...account.stores, [store]: facts } });
}

export async function readAccount(): Promise<Account> {
  const text = await readFile(file, 'utf8').catch(() => '{"entries":[],"stores":{}}');
  return JSON.parse(text) as Account;
}

async function write(account: Account): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(account, undefined, 2)}\n`);
}
