#!/usr/bin/env node
import { endOnBrokenPipe } from './output.js';
import { runProgram } from './program.js';

endOnBrokenPipe();
process.exitCode = await runProgram(process.argv.slice(2), []);
