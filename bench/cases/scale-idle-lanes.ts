import { besideIdleLanes } from '../fixtures/scale-lanes.js';

export default besideIdleLanes('scale-idle-lanes', 64);
