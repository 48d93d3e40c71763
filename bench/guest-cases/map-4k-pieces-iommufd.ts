import { mapCase } from '../map.js';

export default mapCase('4k-pieces', 'iommufd');
