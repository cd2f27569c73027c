"""Tests of report.py and footprint.py: python3 -m unittest discover --start-directory tests/bench --pattern '*_test.py'"""

import re
import unittest

import footprint
import report
import tables
from footprint import Footprint


def read(path):
    return (tables.ROOT / path).read_text()


def lines(*rows):
    return report.lines_of([report.compared(what, "bare reqwest", 1234 * ratio, 1234, budget) for what, ratio, budget in rows])


class Report(unittest.TestCase):
    def test_a_table_is_read_back_as_it_was_written(self):
        written = lines(("instructions: suspend", 1.13, "≤ 1.15"), ("calls", 0.5, "-"))
        page = tables.replaced(
            "before <!-- bench-report: begin --> <!-- bench-report: end --> after", "bench-report",
            report.rendered(written),
        )
        self.assertEqual(report.committed(page), written)
        self.assertTrue(page.startswith("before ") and page.endswith(" after"))
        line = "| instructions: suspend | bare reqwest | 1,394 | 1,234 | 1.130 | ≤ 1.15 | met |"
        self.assertIn(line, page.splitlines())

    def test_a_verdict_that_changes_is_reported_unless_it_is_noise(self):
        committed = lines(("calls", 0.96, "≥ 0.95"))
        found = [len(report.changes(lines(("calls", ratio, "≥ 0.95")), committed)) for ratio in (0.96, 0.93, 0.91)]
        self.assertEqual(found, [0, 0, 1])

    def test_instructions_have_no_noise_and_a_new_row_is_reported(self):
        committed = lines(("instructions: suspend", 1.149, "≤ 1.15"))
        found = report.changes(lines(("instructions: suspend", 1.151, "≤ 1.15"), ("other", 1, "≤ 1.15")), committed)
        self.assertEqual(found, [
            "instructions: suspend, beside bare reqwest: short at 1.151, was met at 1.149",
            "new: other, beside bare reqwest",
        ])

    def test_a_page_without_the_marks_or_the_table_is_an_error(self):
        begin, end = "<!-- bench-report: begin -->", "<!-- bench-report: end -->"
        for page in ["nothing", begin, f"{begin}{end}"]:
            with self.assertRaises(ValueError):
                report.committed(page)
        with self.assertRaises(ValueError):
            tables.replaced(begin, "bench-report", "")

    def test_counts_are_read_from_what_valgrind_prints(self):
        callgrind = "==7== Events    : Ir\n==7== Collected : 145240129\n"
        self.assertEqual(report.number_after(callgrind, "Collected : "), 145_240_129)
        dhat = "==7== Total:     29,439,450 bytes in 112,663 blocks\n"
        self.assertEqual(report.number_after(dhat, " bytes in "), 112_663)
        with self.assertRaises(ValueError):
            report.number_after("", "Collected : ")

    def test_lines_become_rows_and_a_missing_one_is_an_error(self):
        [row] = report.rates("ecdh\t14807\t\t\njwe\t9443\t9505\t0.992\n", report.CRYPTO, "per second: ")
        self.assertEqual(row[0], "per second: JWE of card credentials")
        self.assertEqual(row[2:5], (9443, 9505, 0.992))
        for text in ["jwe\t9443\n", ""]:
            with self.assertRaises((KeyError, TypeError, ValueError)):
                report.rates(text, report.CRYPTO, "")

    def test_memory_is_compared_with_that_of_the_first_ten_thousand(self):
        text = (
            "renewals\t1000\t0.1\t15.0\t15.1\nrenewals\t10000\t1.1\t16.0\t16.1\nrenewals\t100000\t9.0\t20.0\t21.0\n"
        )
        self.assertEqual([row.ratio for row in report.memory(text)], [1.0, 1.25])
        with self.assertRaises(ValueError):
            report.memory("")

    def test_the_page_has_the_table_that_is_rendered_from_it(self):
        _, table, _ = tables.split(read(report.PAGE), report.MARK)
        self.assertEqual(table.strip(), report.rendered(report.committed(read(report.PAGE))))


class Services(unittest.TestCase):
    def test_each_version_of_a_crate_counts_once_and_the_root_does_not(self):
        tree = (
            "service v0.0.0 (/a)\nsyn v2.0.1\nsyn v3.0.0\nserde v1.0.0 (*)\nserde v1.0.0\n"
            "serde_derive v1.0.0 (proc-macro)\n"
        )
        self.assertEqual(footprint.counted(tree), 4)

    def test_a_row_shows_the_difference_and_the_ratio_to_the_first(self):
        footprints = {"bare": Footprint(10, 20, 2, 2**20), "other": Footprint(15, 50, 5, 3 * 2**20)}
        text = footprint.rendered("When.", footprints, Footprint(10, 30, 3, 2**20))
        self.assertEqual(text.splitlines()[4:], [
            "| bare | 10 | 20.0 s | 2.00 s | 1.00 MiB |",
            "| other | 15 (+5) | 50.0 s (2.50 ×) | 5.00 s (2.50 ×) | 3.00 MiB (+2.00) |",
            "| bare, once more | 10 (+0) | 30.0 s (1.50 ×) | 3.00 s (1.50 ×) | 1.00 MiB (+0.00) |",
        ])

    def test_a_service_has_our_versions_and_a_workspace_of_its_own(self):
        ours = (
            "[workspace]\nmembers = []\n\n[workspace.dependencies]\nd1-facade = { path = \"d1-facade\" }\n"
            "reqwest = \"0.13\"\n\n[profile.dev]\ndebug = false\n"
        )
        manifest = footprint.manifest_of(footprint.SERVICES["bare"], ours, "/root/of/it")
        self.assertIn('d1-facade = { path = "/root/of/it/d1-facade" }\nreqwest = "0.13"\n', manifest)
        self.assertIn("reqwest = { workspace = true", manifest)
        self.assertIn("[workspace]\n", manifest)
        self.assertNotIn("profile.dev", manifest)

    def test_an_unknown_service_is_refused_by_name(self):
        with self.assertRaisesRegex(SystemExit, "facad; there are: .*facade.vendored"):
            footprint.chosen(["facad"])
        self.assertEqual(footprint.chosen(["facade"]), ["bare", "facade"])

    def test_each_feature_of_the_facade_that_adds_a_crate_is_measured(self):
        # `dep:name` and `crate/feature` can add one; a feature of the facade itself has a row of its own.
        section = footprint.section(read("d1-facade/Cargo.toml"), "features")
        features = re.findall(r"^(\S+) = \[.*[:/]", section, re.M)
        self.assertGreater(len(features), 1)
        lines = [line for service in footprint.SERVICES.values() for line in service.dependencies]
        for feature in features:
            self.assertTrue(any(f'features = ["{feature}"]' in line for line in lines), feature)

    def test_the_guide_has_a_row_for_each_service(self):
        _, table, _ = tables.split(read(footprint.PAGE), footprint.MARK)
        for name in footprint.SERVICES:
            self.assertIn(f"\n| {name} | ", table)


if __name__ == "__main__":
    unittest.main()
