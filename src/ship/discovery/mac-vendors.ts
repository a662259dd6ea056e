/**
 * What the IEEE registry of MAC prefixes (MA-L, MA-M and MA-S assignments) holds for Raspberry Pi. 3A:35:41, which lists
 * on the web show as well, is left out: it has the bit of a locally administered address, which any system may choose.
 */
const raspberryPiPrefixes = ['28:cd:c1', '2c:cf:67', '88:a2:9e', '98:fe:54', 'b8:27:eb', 'd8:3a:dd', 'dc:a6:32', 'e4:5f:01', 'f0:40:af:9', '8c:1f:64:34:a'];

/** The maker of a network interface, by its MAC address in lower case with colons. A Pico W has such an address, too. */
export function macVendor(mac: string): 'Raspberry Pi' | undefined {
  return raspberryPiPrefixes.some((prefix) => mac.startsWith(prefix)) ? 'Raspberry Pi' : undefined;
}
