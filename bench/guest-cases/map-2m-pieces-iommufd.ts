import { mapCase } from '../fixtures/map.js';

export default mapCase('2m-pieces', 'iommufd');
