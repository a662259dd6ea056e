import { testCards } from './matrix.ts';

testCards('linux/arm/v7');
