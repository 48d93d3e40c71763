import assert from 'node:assert/strict';
import { ConsoleLog } from '../../guest/console.js';
import { ControlChannel } from '../../guest/control.js';

describe("the guest's channels", () => {
  it('read control lines that arrive in parts of any size', () => {
    for (const size of [1, 2, 5, 100]) {
      const control = new ControlChannel('t0');
      const text = 't0 booted\nt0 exit 42\n';
      for (let at = 0; at < text.length; at += size) control.push(text.slice(at, at + size));
      assert.equal(control.booted, true);
      assert.equal(control.exitCode, 42);
    }
  });

  it('accept only whole lines with the token', () => {
    const control = new ControlChannel('t0');
    control.push('exit 0\nt1 exit 0\nxt0 exit 0\nt0 exit\nt0 exit -1\nt0 exit 1234\nt0 exit 0 more\nt0 exit 3');
    assert.equal(control.booted, false);
    assert.equal(control.exitCode, undefined);
    control.push('\n');
    assert.equal(control.exitCode, 3);
  });

  it('keep the first exit code', () => {
    const control = new ControlChannel('t0');
    control.push('t0 exit 3\nt0 exit 0\n');
    assert.equal(control.exitCode, 3);
  });

  it('find a panic that arrives in parts, and no panic in other text', () => {
    const log = new ConsoleLog();
    log.push('a test about a kernel panic\r\nKernel pan');
    assert.equal(log.panic, undefined);
    log.push('ic - not syncing: Fatal');
    assert.equal(log.panic, undefined);
    log.push(' exception\r\n---[ end');
    assert.equal(log.panic, 'Kernel panic - not syncing: Fatal exception');
  });

  it('keep the end of a long console', () => {
    const log = new ConsoleLog();
    for (let line = 0; line < 20_000; line++) log.push(`line ${line}\r\n`);
    assert.equal(log.tail(2), 'line 19998\nline 19999');
  });
});
