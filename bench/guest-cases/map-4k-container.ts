import { mapCase } from '../fixtures/map.js';

export default mapCase('4k', 'container');
