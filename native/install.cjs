'use strict';
// Builds the addon during `npm ci`. If a tool is missing, it names the package to install, which node-gyp does not.
const { spawnSync } = require('node:child_process');
const { existsSync, readFileSync, writeFileSync } = require('node:fs');
const { join } = require('node:path');
const { engines } = require('../package.json');
const { ownHeaders } = require('./headers.cjs');

// npm only warns about `engines`, such as ">=20.19". node-gyp fails in obscure ways with an older version.
const least = engines.node.slice('>='.length);
const [major, minor] = process.versions.node.split('.').map(Number);
const [leastMajor, leastMinor] = least.split('.').map(Number);
const other = ['bun', 'deno'].find((name) => name in process.versions);
if (other !== undefined || major < leastMajor || (major === leastMajor && minor < leastMinor)) {
  const found = other === undefined ? process.version : other + ' ' + process.versions[other];
  console.error('vfio-engine: the addon needs Node.js ' + least + ' or newer. This is ' + found + '.');
  process.exit(1);
}

const needs = [
  ['c++', ['--version'], 'a C++17 compiler', 'g++'],
  ['make', ['--version'], 'make', 'make'],
  ['python3', ['--version'], 'Python 3 (node-gyp runs on it)', 'python3'],
];
const missing = needs.filter(([command, args]) => spawnSync(command, args, { stdio: 'ignore' }).status !== 0);
if (process.platform !== 'linux') {
  console.error('vfio-engine: the operating system must be Linux, which has VFIO. This is ' + process.platform + '.');
  process.exit(1);
}
if (missing.length > 0) {
  console.error(
    'vfio-engine: the addon cannot be built. This machine has no ' + missing.map((need) => need[2]).join(', ') + '.',
  );
  console.error('  Debian, Ubuntu:  apt-get install ' + missing.map((need) => need[3]).join(' '));
  console.error('  Fedora:          dnf install gcc-c++ make python3');
  process.exit(1);
}

const header = spawnSync('c++', ['-x', 'c++', '-fsyntax-only', '-'], { input: '#include <linux/vfio.h>\n' });
if (header.status !== 0) {
  console.error('vfio-engine: the kernel headers for user space are missing (linux/vfio.h).');
  console.error('  Debian, Ubuntu:  apt-get install linux-libc-dev');
  process.exit(1);
}

// Objects that were built for another version of Node.js would load and crash. So a new version builds all of them.
const stamp = join(__dirname, 'build', 'node-version');
const sameNode = existsSync(stamp) && readFileSync(stamp, 'utf8') === process.version;
const steps = sameNode ? ['configure', 'build'] : ['rebuild'];
const nodeGyp = require.resolve('node-gyp/bin/node-gyp.js');
const headers = ownHeaders();
for (const step of steps) {
  const args = [nodeGyp, step, '--directory', __dirname, '--jobs', 'max', '--loglevel', 'warn', ...headers];
  const { status } = spawnSync(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) process.exit(status ?? 1);
}
writeFileSync(stamp, process.version);
