import assert from 'node:assert/strict';

import type { RunReport } from '../../lib/cli/run/report.js';
import { shell, vfioEngine } from './cli-command.js';

async function runFor(seconds: number, ...argv: string[]): Promise<RunReport> {
  const { code, stdout, stderr } = await vfioEngine('run', '--json', '--seconds', String(seconds), ...argv);
  assert.equal(code, 0, `${stderr}${stdout}`);
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as RunReport;
}

describe('the main job', function () {
  this.timeout(120_000);

  it('works edu and testdev and verifies everything', async () => {
    const report = await runFor(2);
    assert.equal(report.device, 'f000:00:04.0,f000:00:05.0');
    assert.equal(report.backend, 'iommufd');
    assert.ok(report.workers >= 1);
    for (const { operations, perSecond } of [report.mapped, report.trapped]) {
      assert.ok(operations > 100 && perSecond > 0);
    }
    assert.equal(report.dma.verified, true);
    assert.ok(report.dma.bytes >= 8192 && report.dma.bytes % 8192 === 0, `${report.dma.bytes} bytes`);
    assert.ok(report.interrupts.raised > 10);
    assert.equal(report.interrupts.received, report.interrupts.raised);
    assert.equal(report.errors, 0);
    assert.deepEqual([report.verified, report.undone, report.notOffered], [true, [], []]);
    assert.equal(report.eventLoop.unit, 'ms');
  });

  it('works a single device', async () => {
    const report = await runFor(0.5, '--device', 'edu');
    assert.equal(report.device, 'f000:00:04.0');
    assert.deepEqual([report.mapped.operations, report.dma.verified], [0, true]);
    assert.deepEqual([report.verified, report.undone, report.notOffered], [false, [], ['mapped accesses']]);
  });

  it('is not verified if it had no time for work of each kind', async () => {
    const { code, stdout, stderr } = await vfioEngine('run', '--seconds', '0.001');
    assert.deepEqual([code, stderr], [1, '']);
    assert.match(stdout, /^NOT verified: no .*; 0 error\(s\)$/m);
  });

  it('prints a table without --json', async () => {
    const { code, stdout, stderr } = await vfioEngine('run', '--seconds', '0.5');
    assert.deepEqual([code, stderr], [0, '']);
    assert.match(stdout, /^DMA bytes +[\d,]+ +[\d,]+$/m);
    assert.match(stdout, /^all verified, 0 error\(s\)$/m);
  });

  it('injects faults by a seed, and tells them', async () => {
    const argv = ['run', '--seconds', '1', '--json', '--device', 'edu', '--faults', '3'];
    const { code, stdout, stderr } = await vfioEngine(...argv);
    const injected = Number(/^(\d+) fault\(s\) injected with seed 3$/m.exec(stderr)?.[1]);
    assert.ok(injected > 0, stderr);
    const report = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '{}') as Partial<RunReport>;
    const counts = Object.values(report.faults ?? {}).reduce((sum, count) => sum + count, 0);
    assert.deepEqual([code, counts], [1, injected]);
    const wrong = await vfioEngine('run', '--faults', '-1');
    assert.deepEqual([wrong.code, wrong.stdout], [2, '']);
  });

  it('ends early and in order on SIGINT', async () => {
    const line = '$ENGINE run --seconds 60 --json & pid=$!; sleep 2; kill -INT $pid; wait $pid';
    const { code, stdout } = await shell(`set -m; ${line}`);
    assert.equal(code, 130);
    const report = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as RunReport;
    assert.equal(report.errors, 0);
    assert.equal(report.interrupts.received, report.interrupts.raised);
  });

  it('fails for a device that does not exist, and leaves nothing running', async () => {
    const { code, stderr } = await vfioEngine('run', '--device', '0000:ff:1f.7');
    assert.equal(code, 1);
    assert.match(stderr, /^error: ENODEV/);
  });
});
