#!/usr/bin/env python3
"""Counts test cases in ctest's JUnit report: a doctest program counts its own cases, any other test is one. Names what was skipped.

Usage: tally.py REPORT.xml. The last line is `N passed, N failed`; exit status 1 when one failed or none ran.
"""
import re
import sys
import xml.etree.ElementTree

SKIPPED = re.compile(r"\bskipped: .*", re.IGNORECASE)
SUMMARY = re.compile(r"test cases:\s*\d+ \|\s*(\d+) passed \|\s*(\d+) failed")


def main(report):
    passed = failed = 0
    for test in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
        output = test.findtext("system-out") or ""
        status = test.get("status")
        if status == "run":
            match = SUMMARY.search(output)
            passed += int(match[1]) if match else 1
        elif status == "fail":
            match = SUMMARY.search(output)
            passed += int(match[1]) if match else 0
            failed += max(1, int(match[2])) if match else 1  # a program that ends badly after its last case has failed too
        elif "SKIP_RETURN_CODE" not in ("".join(skipped.get("message", "") for skipped in test.iter("skipped"))):
            failed += 1  # it could not be started
        for reason in dict.fromkeys(SKIPPED.findall(output)):
            print(f"{test.get('name')}: {reason[:150]}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


sys.exit(main(sys.argv[1]))
