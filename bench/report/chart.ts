import type { Row } from './rows.js';

const WIDTH = 360;
/** Of a mark; pixels, as the lines of text beside it. */
export const MARK_HEIGHT = 22;
const MARGIN = 8;
/** Shares of the bar at the ends of the axis; what lies beyond is drawn at the end, as an arrow. */
const [LOWEST, HIGHEST] = [1 / 8, 8];
const TICKS = [1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8];

/** The axis, to stand above the rows: a share of the bar, doubling. */
export function axis(): string {
  const labels = TICKS.map((tick) => {
    const text = tick === 1 ? 'bar' : tick < 1 ? `1/${1 / tick}` : `${tick}×`;
    return `<text x="${at(tick)}" y="15" text-anchor="middle"${tick === 1 ? ' class="bar"' : ''}>${text}</text>`;
  });
  return svg('share of what the bar allows', MARK_HEIGHT, labels.join(''));
}

/** The marks of a row: a circle, square or diamond a run, with a line to its 99th percentile. */
export function chart({ name, marks }: Row): string {
  const height = MARK_HEIGHT * marks.length;
  const grid = TICKS.map(
    (tick) => `<line class="${tick === 1 ? 'bar' : 'grid'}" x1="${at(tick)}" x2="${at(tick)}" y1="0" y2="${height}"/>`,
  );
  const drawn = marks.map((mark, index) => {
    const y = MARK_HEIGHT * (index + 0.5);
    const [from, to] = [at(mark.share), at(mark.share99)];
    const shape = mark.share > HIGHEST || mark.share < LOWEST ? arrow(from, y, mark.share > 1) : dot(mark.run, from, y);
    return `<g class="${mark.meets ? 'meets' : 'over'}"><line x1="${from}" x2="${to}" y1="${y}" y2="${y}"/>${shape}</g>`;
  });
  const spoken = marks.map(({ share }) => `${share.toFixed(2)} of the bar`).join(', ');
  return svg(`${name}: ${spoken}`, height, [...grid, ...drawn].join(''));
}

/** The shape of a run, for the legend. */
export function sample(run: number): string {
  return `<svg width="14" height="14" aria-hidden="true"><g class="sample">${dot(run, 7, 7)}</g></svg>`;
}

function at(share: number): number {
  const within = Math.min(HIGHEST, Math.max(LOWEST, share));
  const part = Math.log2(within / LOWEST) / Math.log2(HIGHEST / LOWEST);
  return Math.round((MARGIN + part * (WIDTH - 2 * MARGIN)) * 10) / 10;
}

function dot(run: number, x: number, y: number): string {
  const shapes = [
    `<circle cx="${x}" cy="${y}" r="4.5"/>`,
    `<rect x="${x - 4}" y="${y - 4}" width="8" height="8" transform="rotate(45 ${x} ${y})"/>`,
    `<rect x="${x - 4}" y="${y - 4}" width="8" height="8"/>`,
  ];
  return shapes[run % shapes.length] as string;
}

function arrow(x: number, y: number, right: boolean): string {
  const tip = right ? x + 6 : x - 6;
  return `<path d="M${x} ${y - 5}L${tip} ${y}L${x} ${y + 5}Z"/>`;
}

function svg(label: string, height: number, content: string): string {
  return `<svg class="chart" role="img" aria-label="${label}" width="${WIDTH}" height="${height}">${content}</svg>`;
}
