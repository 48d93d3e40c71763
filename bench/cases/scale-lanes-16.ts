import { scaleLanes } from '../scale-lanes.js';

export default scaleLanes('scale-lanes-16', 16);
