import { scaleRegions } from '../scale-regions.js';

export default scaleRegions('scale-regions', 1024);
