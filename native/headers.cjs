'use strict';
const { existsSync, readFileSync } = require('node:fs');
const { dirname, join } = require('node:path');

// Finds the headers next to node, where distributions and Node.js's own archive put them. Then nothing is downloaded.
function ownHeaders() {
  const prefix = dirname(dirname(process.execPath));
  const file = join(prefix, 'include', 'node', 'node_version.h');
  if (process.env.npm_config_nodedir !== undefined || !existsSync(file)) return [];
  const text = readFileSync(file, 'utf8');
  const part = (name) => new RegExp('#define NODE_' + name + '_VERSION (\\d+)').exec(text)?.[1];
  const version = 'v' + ['MAJOR', 'MINOR', 'PATCH'].map(part).join('.');
  return version === process.version ? ['--nodedir', prefix] : [];
}

module.exports = { ownHeaders };
