"""Prints a line for each test of a JUnit file: its name and what came of it."""
import sys
import xml.etree.ElementTree

for case in xml.etree.ElementTree.parse(sys.argv[1]).iter("testcase"):
    kinds = {child.tag for child in case} & {"failure", "error", "skipped"}
    outcome = kinds.pop() if kinds else case.get("result", "ok")
    print(case.get("name"), outcome)
