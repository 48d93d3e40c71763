import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { CompilerState, Extractor, ExtractorConfig, ExtractorLogLevel } from '@microsoft/api-extractor';
import type { ExtractorMessage, IConfigFile } from '@microsoft/api-extractor';
import type ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const REPORTS = join(ROOT, 'test', 'api', 'reports');

/** A key of "exports" in package.json that has types. */
interface EntryPoint {
  /** `vfio-engine`, `vfio-engine-guest-bus`: the name of the report's file. */
  readonly report: string;
  /** The whole path of its declaration file. */
  readonly types: string;
}

/** The state of the public interface, as far as API Extractor checks it. */
export interface ApiReport {
  /** The reports that differ from the published types: names of files in test/api/reports. */
  readonly changed: readonly string[];
  /** Exports that are missing and public symbols without a doc comment, one line each. */
  readonly errors: readonly string[];
}

/** @returns the entry points of the package, in the order of package.json */
function entryPoints(): EntryPoint[] {
  const { exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    exports: Record<string, string | { types: string }>;
  };
  return Object.entries(exports).flatMap(([key, target]) =>
    typeof target === 'string'
      ? []
      : [{ report: `vfio-engine${key.slice(1)}`.replace('/', '-'), types: join(ROOT, target.types) }],
  );
}

/**
 * Compares the types in dist with the reports in test/api/reports.
 * @param record whether to write the reports that differ
 */
export function checkApi(record: boolean): ApiReport {
  const temporary = mkdtempSync(join(tmpdir(), 'vfio-engine-api-'));
  // API Extractor writes no report into a folder that is missing.
  if (record) mkdirSync(REPORTS, { recursive: true });
  try {
    const entries = entryPoints();
    const configs = entries.map((entry) => extractorConfig(entry, temporary));
    const compilerState = CompilerState.create(configs[0] as ExtractorConfig, {
      additionalEntryPoints: entries.map(({ types }) => types),
    });
    const exported = exportedNames(compilerState.program as ts.Program, entries);
    const errors: string[] = [];
    const messageCallback = (message: ExtractorMessage): void => take(message, exported, errors);
    const results = configs.map((config) =>
      Extractor.invoke(config, { localBuild: record, compilerState, messageCallback }),
    );
    const changed = results.filter(({ apiReportChanged }) => apiReportChanged);
    return { changed: changed.map(({ extractorConfig: { reportFilePath } }) => basename(reportFilePath)), errors };
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function extractorConfig({ report, types }: EntryPoint, temporary: string): ExtractorConfig {
  const silent = { default: { logLevel: ExtractorLogLevel.None } };
  const error = { logLevel: ExtractorLogLevel.Error };
  const configObject: IConfigFile = {
    projectFolder: ROOT,
    mainEntryPointFilePath: types,
    compiler: { tsconfigFilePath: join(ROOT, 'tsconfig.json') },
    newlineKind: 'lf',
    apiReport: { enabled: true, reportFileName: report, reportFolder: REPORTS, reportTempFolder: temporary },
    docModel: { enabled: false },
    dtsRollup: { enabled: false },
    tsdocMetadata: { enabled: false },
    messages: {
      compilerMessageReporting: { default: error },
      extractorMessageReporting: { ...silent, 'ae-forgotten-export': error, 'ae-undocumented': error },
      // TypeDoc checks the comments (`npm run docs`).
      tsdocMessageReporting: silent,
    },
  };
  return ExtractorConfig.prepare({
    configObject,
    configObjectFullPath: undefined,
    packageJsonFullPath: join(ROOT, 'package.json'),
  });
}

/** The names that some entry point exports: API Extractor looks at one entry point at a time. */
function exportedNames(program: ts.Program, entries: readonly EntryPoint[]): Set<string> {
  const checker = program.getTypeChecker();
  const symbols = entries.flatMap(({ types }) => {
    const file = program.getSourceFile(types);
    const module = file === undefined ? undefined : checker.getSymbolAtLocation(file);
    return module === undefined ? [] : checker.getExportsOfModule(module);
  });
  return new Set(symbols.map(({ name }) => name));
}

/** Keeps a message that is an error, and has API Extractor print nothing. */
function take(message: ExtractorMessage, exported: ReadonlySet<string>, errors: string[]): void {
  message.handled = true;
  if (message.logLevel !== ExtractorLogLevel.Error) return;
  const forgotten = /^The symbol "(\w+)"/.exec(message.text)?.[1];
  if (message.messageId === 'ae-forgotten-export' && exported.has(forgotten ?? '')) return;
  errors.push(message.formatMessageWithLocation(ROOT));
}
