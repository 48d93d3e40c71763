// A plugin for TypeDoc: a page is called by its first heading. TypeDoc calls it by its file, and every room has a README.md.
import { Converter } from 'typedoc';

export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_context, document) => {
    const [first] = document.content;
    const heading = /^# (.+)\n/.exec(first?.text ?? '');
    if (heading === null) throw new Error(`the page ${document.name} does not begin with a heading`);
    document.name = heading[1];
    // The page shows its name as the heading.
    first.text = first.text.slice(heading[0].length);
  });
}
