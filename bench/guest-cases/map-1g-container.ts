import { mapCase } from '../map.js';

export default mapCase('1g', 'container');
