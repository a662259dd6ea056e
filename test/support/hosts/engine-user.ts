/** Opens a private engine with the cache folder that it is given, says where, and waits to be killed. */
import { createContext } from '../../../src/context.ts';
import { openEngine } from '../../../src/host/engine/open-engine.ts';

const [cacheDirectory = ''] = process.argv.slice(2);
const environment = { ...process.env, DOCKER_HOST: 'unix:///nonexistent/docker.sock' };
const engine = await openEngine(createContext({ cacheDirectory, environment }), { allowPrivate: true });
console.log(engine.dockerHost);
setTimeout(() => {}, 60_000);
