import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { ControlChannel } from '../../guest/control.js';
import { runMachine, type GuestRun, type RunOptions } from '../../guest/machine.js';
import { complaintOf, EXIT, exitCodeOf } from '../../guest/verdict.js';

interface Outcome {
  readonly run: GuestRun;
  readonly stdout: string;
  readonly stderr: string;
}

function runOptions(): RunOptions & { stdout: PassThrough; stderr: PassThrough } {
  return {
    control: new ControlChannel('token'),
    echoConsole: undefined,
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    deadlineMs: 10_000,
    silenceMs: 10_000,
    stop: new AbortController().signal,
  };
}

/** Runs a shell script instead of QEMU. Descriptors 3 to 6 are its channels. */
async function runScript(script: string, changes: Partial<RunOptions> = {}): Promise<Outcome> {
  const options = runOptions();
  const run = await runMachine(['sh', '-c', script], { ...options, ...changes });
  options.stdout.end();
  options.stderr.end();
  return { run, stdout: await text(options.stdout), stderr: await text(options.stderr) };
}

describe("the guest's runner", () => {
  it('forwards output and returns the exit code from the control channel', async () => {
    const { run, stdout, stderr } = await runScript(
      'echo token booted >&5; echo out >&3; echo err >&4; echo token exit 7 >&5; exit 1',
    );
    assert.deepEqual(run.end, { kind: 'exit', code: 7 });
    assert.equal(exitCodeOf(run), 7);
    assert.equal(complaintOf(run), undefined);
    assert.equal(stdout, 'out\n');
    assert.equal(stderr, 'err\n');
    assert.ok(run.bootMs !== undefined && run.bootMs <= run.totalMs);
  });

  it('ignores exit codes in the output and on the console', async () => {
    const { run } = await runScript('echo token exit 0 | tee /dev/fd/2 >&3; echo token exit 0 >&6; echo exit 0 >&5');
    assert.equal(run.end.kind, 'died');
    assert.equal(exitCodeOf(run), EXIT.died);
    assert.equal(run.bootMs, undefined);
  });

  it('reports the exit status of a QEMU that exits before the command', async () => {
    const { run } = await runScript('echo no such device >&2; exit 3');
    assert.match(complaintOf(run) ?? '', /QEMU exited before the command: exit code 3: no such device/);
  });

  it('stops a guest that prints nothing', async () => {
    const { run } = await runScript('echo token booted >&5; exec sleep 60', { silenceMs: 300 });
    assert.deepEqual(run.end, { kind: 'silent', afterMs: 300 });
    assert.equal(exitCodeOf(run), EXIT.silent);
  });

  it('stops a guest that still prints after the deadline', async () => {
    const script = 'while :; do echo still here >&3; sleep 0.05; done';
    const { run, stdout } = await runScript(script, { deadlineMs: 600, silenceMs: 500 });
    assert.deepEqual(run.end, { kind: 'deadline', afterMs: 600 });
    assert.equal(exitCodeOf(run), EXIT.deadline);
    assert.match(stdout, /^(still here\n)+$/);
  });

  it('detects a panic, even if the guest hangs in it', async () => {
    const { run } = await runScript('echo "Kernel panic - not syncing: oh" >&6; exec sleep 60', { silenceMs: 300 });
    assert.deepEqual(run.end, { kind: 'panic', line: 'Kernel panic - not syncing: oh' });
    assert.equal(exitCodeOf(run), EXIT.panic);
  });

  it('ends QEMU on a signal, with the exit code of a process that the signal killed', async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort('SIGINT'), 100);
    const { run } = await runScript('exec sleep 60', { stop: controller.signal });
    assert.equal(exitCodeOf(run), 130);
    assert.equal(exitCodeOf((await runScript('exec sleep 60', { stop: controller.signal })).run), 130);
  });

  it('ends QEMU if the reader of its output exits', async () => {
    const options = runOptions();
    const running = runMachine(['sh', '-c', 'exec sleep 60'], options);
    setTimeout(() => options.stdout.destroy(new Error('EPIPE')), 100);
    assert.deepEqual((await running).end, { kind: 'stopped', signal: 'SIGPIPE' });
  });

  it('reports a missing QEMU', async () => {
    const run = await runMachine(['/nonexistent/qemu'], runOptions());
    assert.match(complaintOf(run) ?? '', /QEMU exited before the command: exit code 127: .*\/nonexistent\/qemu/);
  });
});
