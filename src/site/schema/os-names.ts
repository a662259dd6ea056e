/** Names that the system of a card knows: what cannot be checked by its form alone. */

const words = (text: string) => new Set(text.trim().split(/\s+/));

/** ISO 3166-1 alpha-2, as in tzdata's iso3166.tab; the kernel's regulatory database uses the same codes. */
export const countries = words(`
  AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK
  CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS
  GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV
  LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM
  PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR
  TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW`);

/** XKB layouts, as in xkeyboard-config's rules/base.lst. */
export const keyboardLayouts = words(`
  af al am ara at au az ba bd be bg br brai bt bw by ca cd ch cm cn cz de dk dz ee epo es et fi fo fr gb ge gh gn gr hr hu id ie il in iq
  ir is it jp jv ke kg kh kr kz la latam lk lt lv ma mao md me mk ml mm mn mt mv my ng nl no np ph pk pl pt ro rs ru se si sk sn sy tg th
  tj tm tr tw tz ua us uz vn za`);

/** Users and groups that Debian, Raspberry Pi OS or a package of a card makes for itself (base-passwd, and what the packages add). */
export const systemUsers = words(`
  _apt _chrony _ssh adm audio avahi backup bin bluetooth cdrom crontab daemon dhcpcd dialout dip disk dnsmasq docker fax floppy games gpio
  i2c input irc kmem kvm landscape list lp lpadmin mail man messagebus netdev news nm-openvpn nobody nogroup operator plugdev polkitd
  prose-ship proxy pulse render root rtkit sambashare sasl scanner sgx shadow spi src ssh sshd staff sudo sync sys syslog systemd-coredump
  systemd-journal systemd-network systemd-resolve systemd-timesync tape tcpdump tss tty users utmp uucp uuidd video voice www-data`);

/** The canonical time zones; `judgeTimezone` takes links to them, too. */
export const timezones: readonly string[] = [...Intl.supportedValuesOf('timeZone'), 'Etc/UTC', 'UTC'];
