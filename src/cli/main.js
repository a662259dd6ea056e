#!/usr/bin/env node
import { enableCompileCache } from 'node:module';

enableCompileCache(); // types are stripped once, not at every start
const { main } = await import('./program.ts');
await main();
