import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const ADDON = join(ROOT, 'native', 'build', 'Release', 'vfio_engine.node');
/** The permission model's option. */
const PERMISSION = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission';

/** How a child ended. */
interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

describe('without a usable addon', function () {
  this.timeout(60_000);
  let folder: string;
  let installed: string;
  let app: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'vfio-no-addon-'));
    installed = install(join(folder, 'node_modules', 'vfio-engine'));
    app = join(folder, 'app.mjs');
    writeFileSync(app, "import { Engine } from 'vfio-engine';\nconsole.log(typeof Engine);\n");
  });
  after(() => rmSync(folder, { recursive: true }));
  beforeEach(() => removeAddon(installed));

  it('the command prints its help and its version, and fails with a hint otherwise', async () => {
    const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
    assert.deepEqual(await command('--version'), { code: 0, signal: null, stdout: `${version}\n`, stderr: '' });
    for (const name of ['run', 'list', 'info', 'read', 'write', 'dump', 'bind', 'unbind']) {
      const { stdout, stderr } = await command(name, '--help');
      assert.match(stdout, /^Usage: /);
      assert.equal(stderr, '');
    }
    const text = `error: the addon of vfio-engine cannot be loaded: it is not built in ${installed}/native\n`;
    const rebuild = '`npm rebuild vfio-engine --ignore-scripts=false`';
    const hint = `hint: build it with the Node.js that runs the program: ${rebuild} in ${folder}\n`;
    const failing = [['run'], ['list'], ['info', 'edu'], ['read', 'edu', 'bar0', '0'], ['bind', '0000:00:00.0']];
    for (const argv of failing) {
      assert.deepEqual(
        await command(...argv),
        { code: 1, signal: null, stdout: '', stderr: text + hint },
        argv.join(' '),
      );
    }
  });

  it('an import fails with a typed error that tells how to build it', async () => {
    await failsWith([app], /it is not built in .*npm rebuild vfio-engine/);
  });

  it('the hint fits pnpm, a checkout and a bundle', async () => {
    const pnpm = install(join(folder, 'node_modules', '.pnpm', 'vfio-engine@0.1.0', 'node_modules', 'vfio-engine'));
    await failsWith(
      [join(pnpm, 'dist', 'lib', 'index.js')],
      /`pnpm approve-builds`, then `pnpm rebuild vfio-engine`, in \/.*vfio-no-addon-\w+\)/,
    );
    const checkout = install(join(folder, 'checkout'));
    await failsWith([join(checkout, 'dist', 'lib', 'index.js')], /`npm run build:native` in .*\/checkout\)/);
    const bundle = install(join(folder, 'bundle'));
    writeFileSync(join(bundle, 'package.json'), JSON.stringify({ name: 'my-app', type: 'module' }));
    await failsWith(
      [join(bundle, 'dist', 'lib', 'index.js')],
      /seems to be bundled: keep vfio-engine out of the bundle/,
    );
    // As esbuild writes it into a CommonJS module.
    const loader = join(bundle, 'dist', 'lib', 'native', 'addon.js');
    writeFileSync(loader, readFileSync(loader, 'utf8').replaceAll('import.meta.url', '({}).url'));
    await failsWith(
      [join(bundle, 'dist', 'lib', 'index.js')],
      /seems to be bundled: keep vfio-engine out of the bundle/,
    );
  });

  it('a file that is no addon, and one for a Node.js with other symbols, fail with what dlopen told', async () => {
    putAddon(installed, Buffer.from('not an addon'));
    await failsWith([app], /cannot be loaded: .*vfio_engine\.node: (file too short|invalid ELF header)/);
    const { bytes, symbol } = withoutSymbol(readFileSync(ADDON));
    putAddon(installed, bytes);
    await failsWith([app], new RegExp(`cannot be loaded: .*undefined symbol: ${symbol} .*npm rebuild vfio-engine`));
  });

  it('one that was built for another ABI of Node.js is refused before it does anything', async () => {
    putAddon(installed, readFileSync(ADDON));
    assert.equal((await node(app)).stdout, 'function\n');
    const preload = pretend({ modules: '999', node: '99.1.0' });
    const abi = process.versions.modules;
    await failsWith(
      ['--import', preload, app],
      new RegExp(`built with Node\\.js v[\\d.]+ \\(ABI ${abi}\\), and this Node\\.js, v99\\.1\\.0, has the ABI 999`),
    );
  });

  it('Bun and Deno are refused by their names', async () => {
    putAddon(installed, readFileSync(ADDON));
    await failsWith(
      ['--import', pretend({ bun: '1.4.5' }), app],
      /does not run on Bun 1\.4\.5: its addon needs Node\.js/,
    );
    await failsWith(
      ['--import', pretend({ deno: '2.9.6' }), app],
      /does not run on Deno 2\.9\.6: its addon needs Node/,
    );
  });

  it('is not built by another runtime, or by a Node.js that is too old', async () => {
    const script = join(installed, 'native', 'install.cjs');
    cpSync(join(ROOT, 'native', 'install.cjs'), script);
    cpSync(join(ROOT, 'native', 'headers.cjs'), join(installed, 'native', 'headers.cjs'));
    const rows: [versions: Record<string, string>, found: string][] = [
      [{ bun: '1.4.5' }, 'bun 1.4.5'],
      [{ deno: '2.9.6' }, 'deno 2.9.6'],
      [{ node: '18.20.0' }, process.version],
      [{ node: '20.18.3' }, process.version],
    ];
    for (const [versions, found] of rows) {
      const stderr = `vfio-engine: the addon needs Node.js 20.19 or newer. This is ${found}.\n`;
      const ending = await node('--import', pretend(versions), script);
      assert.deepEqual(ending, { code: 1, signal: null, stdout: '', stderr });
    }
  });

  it('a process that may not load addons, or not start threads, is told the option that allows it', async () => {
    putAddon(installed, readFileSync(ADDON));
    await failsWith(['--no-addons', app], /this process may not load addons \(run node without --no-addons\)/);
    const options = [PERMISSION, '--no-warnings', '--allow-fs-read=*'];
    await failsWith(
      [...options, app],
      /this process may not load addons \(give node --allow-addons and --allow-worker\)/,
    );
    const read = [join(installed, 'dist', 'lib', 'cli', 'main.js'), 'read', 'edu', 'bar0', '0'];
    const denied = 'error: the permission model of Node.js does not allow the process to start a thread\n';
    const stderr = `${denied}hint: give node --allow-worker\n`;
    assert.deepEqual(await node(...options, '--allow-addons', ...read), { code: 1, signal: null, stdout: '', stderr });
    const allowed = await node(...options, '--allow-addons', '--allow-worker', ...read);
    assert.deepEqual(allowed, { code: 0, signal: null, stdout: '0x010000ed\n', stderr: '' });
  });

  async function failsWith(argv: readonly string[], message: RegExp): Promise<void> {
    const { code, signal, stdout, stderr } = await node(...argv);
    assert.deepEqual({ code, signal, stdout }, { code: 1, signal: null, stdout: '' }, stderr);
    assert.match(stderr, /^VfioError: /m);
    assert.match(stderr, message);
    assert.match(stderr, /code: 'ERR_NOT_SUPPORTED'/);
  }

  function command(...argv: string[]): Promise<Ending> {
    return node(join(installed, 'dist', 'lib', 'cli', 'main.js'), ...argv);
  }
});

/** Puts a copy of the package into a folder, as npm does with --ignore-scripts: without the addon. */
function install(target: string): string {
  mkdirSync(join(target, 'native', 'build', 'Release'), { recursive: true });
  for (const part of ['dist/lib', 'dist/workers', 'package.json'])
    cpSync(join(ROOT, part), join(target, part), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(target, 'node_modules'));
  return target;
}

function putAddon(installed: string, bytes: Uint8Array): void {
  writeFileSync(join(installed, 'native', 'build', 'Release', 'vfio_engine.node'), bytes);
}

function removeAddon(installed: string): void {
  rmSync(join(installed, 'native', 'build', 'Release', 'vfio_engine.node'), { force: true });
}

/** Renames a symbol of V8 that the addon needs. Versions of Node.js have different ones. */
function withoutSymbol(addon: Buffer): { bytes: Buffer; symbol: string } {
  const needed = /\0(_ZNK?2v8\w+)\0/.exec(addon.toString('latin1'));
  assert.ok(needed?.[1] !== undefined, 'the addon needs no symbol of V8');
  const symbol = `${needed[1].slice(0, -1)}X`;
  addon.write(symbol, needed.index + 1, 'latin1');
  return { bytes: addon, symbol };
}

/** Returns the URL of a module after whose import the process has other `versions`. */
function pretend(versions: Readonly<Record<string, string>>): string {
  const value = `{ ...process.versions, ...${JSON.stringify(versions)} }`;
  return `data:text/javascript,${encodeURIComponent(`Object.defineProperty(process, 'versions', { value: ${value} })`)}`;
}

/** Runs node to its end. */
function node(...argv: string[]): Promise<Ending> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, argv, { timeout: 30_000 }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, signal: child.signalCode, stdout, stderr });
    });
  });
}
