import { mapEventLoopCase } from '../map-event-loop.js';

export default mapEventLoopCase('container');
