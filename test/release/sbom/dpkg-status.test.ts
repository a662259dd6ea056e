import test from 'ava';
import { parseDpkgStatus } from '../../../src/release/sbom/dpkg-status.ts';
import { parseOsRelease } from '../../../src/release/sbom/os-release.ts';
import { debianPackageUrl } from '../../../src/release/sbom/package-url.ts';

const status = `Package: libstdc++6
Status: install ok installed
Priority: required
Architecture: arm64
Multi-Arch: same
Source: gcc-14
Version: 14.2.0-19
Description: GNU Standard C++ Library v3
 Version: 0 is not a field here
 .
 Package: neither

Package: bash
Essential: yes
Status: install ok installed
Architecture: arm64
Source: bash (5.2.37-2)
Version: 5.2.37-2+b5

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1.0

Package: half
Status: install reinstreq half-installed
Architecture: all
Version: 1.0


Package: held
Status: hold ok triggers-pending
Architecture: all
Version: 1:2.0~rc1-1
Conffiles:
 /etc/held 0123456789abcdef0123456789abcdef
`;

test('installed packages, sorted; not what was removed or is half there', (t) => {
  t.deepEqual(parseDpkgStatus(status), [
    { name: 'bash', version: '5.2.37-2+b5', architecture: 'arm64', source: { name: 'bash', version: '5.2.37-2' } },
    { name: 'held', version: '1:2.0~rc1-1', architecture: 'all' },
    { name: 'libstdc++6', version: '14.2.0-19', architecture: 'arm64', source: { name: 'gcc-14', version: '14.2.0-19' } },
  ]);
  t.deepEqual(parseDpkgStatus(''), []);
});

test('package URLs are escaped as the specification says, and name the vendor', (t) => {
  const [bash, held, library] = parseDpkgStatus(status);
  const debian = { id: 'debian', versionId: '13' };
  t.is(debianPackageUrl(library!, debian), 'pkg:deb/debian/libstdc%2B%2B6@14.2.0-19?arch=arm64&distro=debian-13');
  t.is(debianPackageUrl(bash!, { id: 'raspbian', versionId: '12' }), 'pkg:deb/raspbian/bash@5.2.37-2%2Bb5?arch=arm64&distro=raspbian-12');
  t.is(debianPackageUrl(held!), 'pkg:deb/debian/held@1:2.0~rc1-1?arch=all&distro=debian');
});

test('os-release in any of its quotings', (t) => {
  const text = 'PRETTY_NAME="Debian GNU/Linux 13 (\\"trixie\\")"\nID=debian\n# VERSION_ID=1\nVERSION_ID=\'13\'\n';
  t.deepEqual(parseOsRelease(text), { id: 'debian', versionId: '13', prettyName: 'Debian GNU/Linux 13 ("trixie")' });
  t.is(parseOsRelease('NAME=x\n'), undefined);
});
