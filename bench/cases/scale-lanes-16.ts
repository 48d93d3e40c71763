import { scaleLanes } from '../fixtures/scale-lanes.js';

export default scaleLanes('scale-lanes-16', 16);
