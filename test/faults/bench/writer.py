"""Asks the running service to keep numbered records, as fast as it answers but at most twenty a second.

usage: writer.py PORT FILE
FILE gets one line for each record that was acknowledged: NUMBER VERSION (of the service that kept it).
"""
import sys
import time
import urllib.request

port, file = int(sys.argv[1]), sys.argv[2]
number = int(time.time() * 1000) * 10
with open(file, "a", buffering=1) as acknowledged:
    while True:
        number += 1
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/cgi-bin/append?{number}", timeout=2) as answer:
                words = answer.read().decode().split()
            if answer.status == 200 and len(words) == 2 and words[0] == "kept":
                acknowledged.write(f"{number} {words[1]}\n")
        except OSError:
            pass
        except Exception:  # an answer that was cut off is none
            pass
        time.sleep(0.05)
