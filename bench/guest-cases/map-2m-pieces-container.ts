import { mapCase } from '../map.js';

export default mapCase('2m-pieces', 'container');
