# shellcheck shell=sh
# One field of a JSON answer, without any program that a small system lacks. The whole document is read strictly
# (RFC 8259), so that half an answer never passes.

# Longest answer that is looked into.
json_limit_bytes=65536

# json_field_is FILE PATH TEXT: whether the field, as text, is TEXT; else prints what it is. PATH is keys, and positions
# in lists from 0, with dots between them. Of a key that stands twice the last counts.
json_field_is() {
  if [ "$(wc -c <"$1")" -gt "$json_limit_bytes" ]; then echo "an answer of more than $json_limit_bytes bytes"; return 1; fi
  # awk may take a NUL byte for the end of a text; as another control character it is refused like one.
  tr '\000' '\001' <"$1" | JSON_PATH=$2 JSON_TEXT=$3 awk '
    function refuse(what) { print "no JSON: " what " at byte " at; exit 1 }

    function look() { return c = substr(text, at, 1) }

    function skip() { while (look() != "" && index(" \t\r\n", c)) at++ }

    function value(depth, wanted) {
      if (depth > 64) refuse("nested too deeply")
      skip()
      if (wanted && depth == parts) kind = (c == "{") ? "an object" : (c == "[") ? "a list" : "text"
      if (c == "{") members(depth, wanted)
      else if (c == "[") items(depth, wanted)
      else if (c == "\"") take(string(), depth, wanted)
      else take(word(), depth, wanted)
    }

    function take(result, depth, wanted) { if (wanted && depth == parts) found = result }

    function members(depth, wanted,    key, hit) {
      at++
      skip()
      if (c == "}") { at++; return }
      for (;;) {
        skip()
        if (c != "\"") refuse("no key")
        key = string()
        skip()
        if (c != ":") refuse("no colon")
        at++
        hit = wanted && depth < parts && (key "") == (part[depth + 1] "")
        if (hit) kind = ""
        value(depth + 1, hit)
        if (!more("}")) return
      }
    }

    function items(depth, wanted,    number) {
      at++
      skip()
      if (c == "]") { at++; return }
      for (number = 0; ; number++) {
        value(depth + 1, wanted && depth < parts && (number "") == (part[depth + 1] ""))
        if (!more("]")) return
      }
    }

    function more(closing) {
      skip()
      if (c != closing && c != ",") refuse("neither a comma nor " closing)
      at++
      return c == ","
    }

    function string(    out, start, escape) {
      at++
      for (;;) {
        start = at
        while (look() != "" && !index(special, c)) at++
        out = out substr(text, start, at - start)
        if (c == "\"") { at++; return out }
        if (c != "\\") refuse("a text that does not end")
        at++
        escape = look()
        at++
        if (escape == "u") out = out character()
        else if (escape != "" && index(escapes, escape)) out = out substr(escaped, index(escapes, escape), 1)
        else refuse("an unknown escape")
      }
    }

    function hexadecimal(    i, number) {
      number = 0
      for (i = 0; i < 4; i++) {
        if (look() == "" || !index("0123456789abcdef", tolower(c))) refuse("an unknown escape")
        number = number * 16 + index("0123456789abcdef", tolower(c)) - 1
        at++
      }
      return number
    }

    # What is no character (NUL, half a surrogate pair) becomes the replacement character.
    function character(    code, low, here) {
      code = hexadecimal()
      if (code >= 55296 && code <= 56319 && substr(text, at, 2) == "\\u") {
        here = at
        at += 2
        low = hexadecimal()
        if (low >= 56320 && low <= 57343) code = 65536 + (code - 55296) * 1024 + low - 56320
        else at = here
      }
      if (code == 0 || (code >= 55296 && code <= 57343)) code = 65533
      if (code < 128) return sprintf("%c", code)
      if (code < 2048) return sprintf("%c%c", 192 + int(code / 64), 128 + code % 64)
      if (code < 65536) return sprintf("%c%c%c", 224 + int(code / 4096), 128 + int(code / 64) % 64, 128 + code % 64)
      return sprintf("%c%c%c%c", 240 + int(code / 262144), 128 + int(code / 4096) % 64, 128 + int(code / 64) % 64, 128 + code % 64)
    }

    function word(    start, result) {
      start = at
      while (look() != "" && index("+-.0123456789abcdefghijklmnopqrstuvwxyzE", c)) at++
      result = substr(text, start, at - start)
      if (result == "true" || result == "false" || result == "null") return result
      if (result !~ /^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$/) refuse("no value")
      return result
    }

    BEGIN {
      special = "\"\\"
      for (i = 1; i < 32; i++) special = special sprintf("%c", i)
      escapes = "\"\\/bfnrt"
      escaped = "\"\\/\b\f\n\r\t"
      parts = split(ENVIRON["JSON_PATH"], part, ".")
      at = 1
    }
    { text = text $0 "\n" }
    END {
      value(0, 1)
      skip()
      if (c != "") refuse("something more")
      if (kind == "") print "JSON without " ENVIRON["JSON_PATH"]
      else if (kind != "text") print ENVIRON["JSON_PATH"] " is " kind
      else if ((found "") != (ENVIRON["JSON_TEXT"] "")) print ENVIRON["JSON_PATH"] " is " substr(found, 1, 200)
      else exit 0
      exit 1
    }'
}
