import type { Requirement } from '../requirement.ts';
import { program } from './checks.ts';

/** To boot images, to flash cards, and to check the bases they are made of. */
export const cardsRequirements: readonly Requirement[] = [
  {
    id: 'qemu-system-aarch64',
    what: 'qemu-system-aarch64',
    why: 'boots 64-bit images',
    purpose: 'cards',
    check: program('qemu-system-aarch64'),
    parts: ['qemu-system'],
  },
  {
    id: 'qemu-system-arm',
    what: 'qemu-system-arm',
    why: 'boots 32-bit images',
    purpose: 'cards',
    check: program('qemu-system-arm'),
    parts: ['qemu-system'],
  },
  {
    id: 'qemu-img',
    what: 'qemu-img',
    why: 'keeps what a booted image writes away from the image',
    purpose: 'cards',
    check: program('qemu-img'),
    parts: ['qemu-utils'],
  },
  {
    id: 'gpg',
    what: 'gpg',
    why: 'checks the signatures of official base images; without it a warning says that they were not checked',
    purpose: 'cards',
    check: program('gpg'),
    parts: ['gnupg'],
  },
  {
    id: 'lsblk',
    what: 'lsblk',
    why: 'tells a card from the disks that must not be written',
    purpose: 'cards',
    check: program('lsblk'),
    parts: ['util-linux'],
    linuxOnly: true,
  },
];
