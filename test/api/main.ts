/** Writes the API reports anew. Fails if an exported signature names a type that is not exported, or a doc comment is missing. */
import { checkApi } from './report.js';

const { changed, errors } = checkApi(true);
for (const name of changed) console.log(`recorded test/api/reports/${name}`);
for (const error of errors) console.error(error);
console.log(`${changed.length} reports recorded, ${errors.length} errors`);
process.exitCode = errors.length > 0 ? 1 : 0;
