#!/usr/bin/env node
import { addBindCommand, addUnbindCommand } from './bind.js';
import { addDumpCommand } from './dump.js';
import { addInfoCommand } from './info.js';
import { addListCommand } from './list.js';
import { endWithOutput } from './output.js';
import { runProgram } from './program.js';
import { addReadCommand } from './read.js';
import { addRunCommand } from './run/run.js';
import { addWriteCommand } from './write.js';

endWithOutput();
process.exitCode = await runProgram(process.argv.slice(2), [
  addRunCommand,
  addListCommand,
  addInfoCommand,
  addReadCommand,
  addWriteCommand,
  addDumpCommand,
  addBindCommand,
  addUnbindCommand,
]);
