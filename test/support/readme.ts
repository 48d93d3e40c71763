import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** A program in a README: its files, of which the last one is run, and what it prints. */
export interface ReadmeProgram {
  /** The names of its files, joined by a comma. */
  readonly title: string;
  readonly files: readonly { readonly name: string; readonly text: string }[];
  readonly prints: string;
}

const FENCED_BLOCK = /^```(\w*)(?: (\S+))?\n([\s\S]*?)^```$/gm;

/**
 * Finds every README of the project: the root's, and those of the rooms at any depth.
 * @param root the project's folder
 * @returns paths from the root
 */
export function findReadmes(root: string): string[] {
  const inRooms = ['lib', ...OTHER_ROOMS].flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
      .filter((path) => basename(path) === 'README.md')
      .map((path) => join(room, path)),
  );
  return ['README.md', ...inRooms.sort()];
}

const OTHER_ROOMS = ['workers', 'native', 'bench', 'test'];

/** @returns the rooms, as paths from the root: each folder in lib, and the folders beside lib */
export function rooms(root: string): string[] {
  const entries = readdirSync(join(root, 'lib'), { withFileTypes: true });
  return [...entries.filter((entry) => entry.isDirectory()).map(({ name }) => join('lib', name)), ...OTHER_ROOMS];
}

/**
 * Reads the programs of a README. A program is one or more blocks "ts NAME.ts", then a block "text" with its output.
 * @throws if a named block has no output after it
 */
export function readPrograms(readme: string): ReadmeProgram[] {
  const programs: ReadmeProgram[] = [];
  let files: { name: string; text: string }[] = [];
  for (const [, language, name, text = ''] of readme.matchAll(FENCED_BLOCK)) {
    if (language === 'ts' && name !== undefined) files.push({ name, text });
    if (language !== 'text' || files.length === 0) continue;
    programs.push({ title: files.map((file) => file.name).join(', '), files, prints: text });
    files = [];
  }
  if (files.length > 0) throw new Error(`no output follows the program ${files.at(-1)?.name}`);
  return programs;
}

/** @returns the number of words, counted as `wc -w` counts them */
export function countWords(text: string): number {
  return text.split(/\s+/).filter((word) => word !== '').length;
}

/**
 * Finds relative links whose file does not exist.
 * @param path the Markdown file, from the root
 * @returns one line for each: the file and the link
 */
export function brokenLinks(root: string, path: string): string[] {
  const text = readFileSync(join(root, path), 'utf8').replace(FENCED_BLOCK, '');
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = '']) => target)
    .filter((target) => !/^[a-z]+:/.test(target) && !existsSync(join(root, linkedFile(path, target))))
    .map((target) => `${path}: ${target}`);
}

function linkedFile(path: string, target: string): string {
  const [file = ''] = target.split('#');
  return file === '' ? path : join(dirname(path), file);
}
