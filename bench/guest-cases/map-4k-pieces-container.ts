import { mapCase } from '../fixtures/map.js';

export default mapCase('4k-pieces', 'container');
