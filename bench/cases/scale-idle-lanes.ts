import { besideIdleLanes } from '../scale-lanes.js';

export default besideIdleLanes('scale-idle-lanes', 64);
