import type { Check } from '../requirement.ts';

/** It is on PATH or where system programs are. */
export const program = (name: string): Check => ({ kind: 'program', name });

/** It can be run so. */
export const command = (name: string, ...args: string[]): Check => ({ kind: 'command', program: name, args });

/** It is there. */
export const file = (path: string): Check => ({ kind: 'file', path });
