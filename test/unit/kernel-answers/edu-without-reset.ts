import edu from '../../../lib/models/edu.js';

export default { ...edu, resettable: false };
