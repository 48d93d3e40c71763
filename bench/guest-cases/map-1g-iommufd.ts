import { mapCase } from '../fixtures/map.js';

export default mapCase('1g', 'iommufd');
