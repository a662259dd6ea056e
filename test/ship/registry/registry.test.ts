import { createHash, randomBytes } from 'node:crypto';
import path from 'node:path';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import test from 'ava';
import type { TunnelAnswer } from '../../../src/host/ssh/connection.ts';
import { openArchive } from '../../../src/oci/archive/read-archive.ts';
import { TokenBucket } from '../../../src/host/ssh/connection.ts';
import { pullCommand } from '../../../src/ship/registry/pull.ts';
import { parseRange } from '../../../src/ship/registry/range.ts';
import { chooseEncoding, createRegistry, pullReference, registryImage, type RegistryOptions } from '../../../src/ship/registry/registry.ts';
import { packedRelease } from '../../support/releases/packed-release.ts';

const token = 'f00d';
const content = randomBytes(300_000);

async function sample(options: Partial<RegistryOptions> = {}) {
  const { directory, manifest } = await packedRelease([{ 'etc/base': content }, { 'app/version': '1\n' }]);
  const archive = await openArchive(path.join(directory, manifest.images[0]!.archive.path));
  const image = await registryImage('server', archive);
  const registry = createRegistry([image], { token, signal: new AbortController().signal, ...options });
  const get = (url: string, headers: Record<string, string> = {}, method = 'GET') => registry({ method, path: url, headers });
  return { archive, image, get, layer: archive.layers[0]!, blob: (digest: string) => `/v2/${token}/server/blobs/${digest}` };
}

async function bytes({ body }: TunnelAnswer): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of body as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const sha256 = (data: Buffer) => `sha256:${createHash('sha256').update(data).digest('hex')}`;

test('documents and layers, each with the digest it is asked for by', async (t) => {
  const { archive, image, get, blob } = await sample();
  t.like(get('/v2/'), { status: 200 });
  const manifest = get(`/v2/${token}/server/manifests/${image.manifestDigest}`);
  t.is(sha256(manifest.body as Buffer), image.manifestDigest);
  t.is(manifest.headers['Content-Type'], 'application/vnd.oci.image.manifest.v1+json');
  t.is(sha256(get(blob(archive.configDigest)).body as Buffer), archive.configDigest);
  for (const { diffId, sizeBytes } of archive.layers) {
    const answer = get(blob(diffId));
    t.is(answer.headers['Content-Length'], sizeBytes);
    t.is(sha256(await bytes(answer)), diffId);
    t.like(get(blob(diffId), {}, 'HEAD'), { status: 200, headers: { 'Content-Length': sizeBytes } });
    t.is(get(blob(diffId), {}, 'HEAD').body, undefined);
  }
  t.is(pullReference(image, token, 4567), `127.0.0.1:4567/${token}/server@${image.manifestDigest}`);
});

test('compressed for the way, when the client takes that', async (t) => {
  const { get, layer, blob } = await sample();
  for (const [accept, encoding, decode] of [['zstd;q=1.0, gzip;q=0.8, deflate;q=0.5', 'zstd', zstdDecompressSync], ['gzip', 'gzip', gunzipSync]] as const) {
    const answer = get(blob(layer.diffId), { 'accept-encoding': accept });
    t.is(answer.headers['Content-Encoding'], encoding);
    t.is(answer.headers['Content-Length'], undefined);
    t.is(sha256(decode(await bytes(answer))), layer.diffId);
  }
  t.is(chooseEncoding('identity'), 'identity');
  t.is(chooseEncoding('gzip;q=0, identity'), 'identity');
  t.is(chooseEncoding('*'), 'identity');
  t.is(chooseEncoding('deflate, GZIP;q=0.5'), 'gzip');
  t.is(chooseEncoding(undefined), 'identity');
});

test('a pull that was cut goes on: ranges, never compressed', async (t) => {
  const { get, layer, blob } = await sample();
  const whole = await bytes(get(blob(layer.diffId)));
  for (const first of [1, 511, 512, 200_000, whole.length - 1]) {
    const answer = get(blob(layer.diffId), { range: `bytes=${first}-`, 'accept-encoding': 'gzip' });
    t.like(answer, { status: 206, headers: { 'Content-Range': `bytes ${first}-${whole.length - 1}/${whole.length}`, 'Content-Length': whole.length - first } });
    t.is(answer.headers['Content-Encoding'], undefined);
    t.true((await bytes(answer)).equals(whole.subarray(first)), String(first));
  }
  t.true((await bytes(get(blob(layer.diffId), { range: 'bytes=10-19' }))).equals(whole.subarray(10, 20)));
  t.is(get(blob(layer.diffId), { range: `bytes=${whole.length}-` }).status, 416);
});

test('ranges as RFC 9110 has them', (t) => {
  t.deepEqual(parseRange('bytes=-3', 10), { first: 7, last: 9 });
  t.deepEqual(parseRange('bytes=-30', 10), { first: 0, last: 9 });
  t.deepEqual(parseRange('bytes=2-900', 10), { first: 2, last: 9 });
  for (const header of [undefined, '', 'bytes=', 'bytes=-', 'bytes=5-2', 'bytes=1-2,4-5', 'lines=1-2', 'bytes=a-']) t.is(parseRange(header, 10), undefined, header);
  for (const header of ['bytes=10-', 'bytes=-0']) t.is(parseRange(header, 10), 'unsatisfiable', header);
  t.is(parseRange('bytes=0-', 0), 'unsatisfiable');
});

test('nothing can be written, listed, guessed or found beside the images', async (t) => {
  const { image, get, layer, blob } = await sample();
  for (const method of ['PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS', 'CONNECT']) t.like(get(blob(layer.diffId), {}, method), { status: 405, headers: { Allow: 'GET, HEAD' } });
  const digest = image.manifestDigest;
  for (const url of [
    '/', '/v2/_catalog', `/v2/${token}/server/tags/list`, `/v2/${token}/server/manifests/latest`, `/v2/beef/server/manifests/${digest}`, `/v2/server/manifests/${digest}`,
    `/v2/${token}/other/manifests/${digest}`, `/v2/${token}/server/blobs/${digest}`, `/v2/${token}/server/blobs/sha256:${'0'.repeat(64)}`, `/v2/${token}/server/blobs/..%2f..%2fetc%2fpasswd`,
    `/v2/${token}/server/blobs/../../../etc/passwd`, `/v2/${token}/server/blobs/uploads/`,
  ]) t.is(get(url).status, 404, url);
});

test('the rate limit holds for layers, and an interruption ends them', async (t) => {
  const stopping = new AbortController();
  const sent: number[] = [];
  const { get, layer, blob } = await sample({ pace: new TokenBucket(1_000_000), signal: stopping.signal, onSent: (count) => sent.push(count) });
  const startedAt = performance.now();
  await bytes(get(blob(layer.diffId)));
  t.true(performance.now() - startedAt > 150, 'about 300 KB at 1 MB a second');
  t.is(sent.reduce((sum, count) => sum + count, 0), layer.sizeBytes);
  stopping.abort(new Error('stopped'));
  await t.throwsAsync(bytes(get(blob(layer.diffId))), { message: 'stopped' });
});

test('the command on the host: values are arguments, never part of the script', (t) => {
  const [sh, flag, script, name, ...values] = pullCommand('127.0.0.1:1/f00d/server@sha256:aa', 'example/server:1-abc', ['sha256:bb', 'sha256:cc']);
  t.deepEqual([sh, flag, name], ['sh', '-c', 'sh']);
  t.deepEqual(values, ['127.0.0.1:1/f00d/server@sha256:aa', 'example/server:1-abc', 'sha256:bb,sha256:cc', '60', '/var/lib/prose-ship/pull.lock']);
  t.false(script!.includes('f00d'));
  t.true(script!.indexOf('docker create') < script!.indexOf('docker tag') && script!.indexOf('\nsync') < script!.indexOf('docker tag'), 'proven and on the disk before it gets its name');
  t.regex(script!, /docker rm --force --volumes "\$container" >/, 'also the volumes that the image asks for');
});
