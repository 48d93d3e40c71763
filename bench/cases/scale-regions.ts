import { scaleRegions } from '../fixtures/scale-regions.js';

export default scaleRegions('scale-regions', 1024);
