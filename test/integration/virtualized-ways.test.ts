import { Engine } from '../../lib/engine/engine.js';
import { describeVirtualizedWays } from '../contract/virtualized-ways.js';

describeVirtualizedWays('the software core', () => {
  const engine = new Engine();
  return Promise.resolve({ engine, name: 'testdev', register: { bar: 2, offset: 8 }, close: () => engine.close() });
});
