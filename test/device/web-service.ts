import type { SampleRelease, SampleService } from './sample-release.ts';

/** The same in every release. */
export const side: SampleService = { name: 'side', content: 'side', file: 'setting = 1\n' };

/** Answers its content as `/version` on port 8080. */
export function web(content: string, more: Partial<SampleService> = {}): SampleService {
  return { name: 'web', content, port: 8080, probes: [['http', 'http://127.0.0.1:8080/version', '200']], ...more };
}

export function release(version: string, more: Partial<SampleRelease> = {}): SampleRelease {
  return { version, services: [side, web(version)], ...more };
}

/** A gate that it never passes. */
export const neverWell: Partial<SampleService> = { probes: [['http', 'http://127.0.0.1:8080/nothing', '200']] };
