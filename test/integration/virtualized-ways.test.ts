import { Engine } from '../../lib/engine/engine.js';
import { describeMappedDecoding, describeVirtualizedWays, type WaysSubject } from '../contract/virtualized-ways.js';

function open(): Promise<WaysSubject> {
  const engine = new Engine();
  return Promise.resolve({ engine, name: 'testdev', register: { bar: 2, offset: 8 }, close: () => engine.close() });
}

describeVirtualizedWays('the software core', open);
describeMappedDecoding('the software core', open);
