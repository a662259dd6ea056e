import { createContext } from '../../../src/context.ts';
import { connect } from '../../../src/host/ssh/connection.ts';
import { sampleContent } from '../disks/sample-content.ts';

/** A program of its own that uploads sample content, to be killed: SSH_CONFIG FILE SIZEBYTES. Prints what has arrived. */
const [configFile, file, size] = process.argv.slice(2);
if (configFile === undefined || file === undefined) throw new Error('usage: upload-once.ts SSH_CONFIG FILE SIZEBYTES');
const context = createContext({ environment: { PATH: process.env['PATH'], PROSE_SHIP_SSH_CONFIG: configFile } });
const connection = await connect(context, { address: 'device' });
const upload = await connection.files.resume(sampleContent(Number(size)), file);
await upload.send({ onProgress: (doneBytes) => process.stdout.write(`${doneBytes}\n`) });
await connection.close();
