//! Numbers made readable.

/// A moment of the run: `12.345 s`.
pub(crate) fn moment(time_ns: u64) -> String {
    let ms = time_ns / 1_000_000;
    format!("{}.{:03} s", ms / 1_000, ms % 1_000)
}

/// A length of time, to three digits or so: `820 µs`, `4.2 ms`, `1.25 s`.
pub(crate) fn duration(length_ns: u64) -> String {
    let ns = length_ns as f64;
    match length_ns {
        0..1_000 => format!("{length_ns} ns"),
        1_000..1_000_000 => format!("{:.0} \u{b5}s", ns / 1e3),
        1_000_000..10_000_000 => format!("{:.1} ms", ns / 1e6),
        10_000_000..1_000_000_000 => format!("{:.0} ms", ns / 1e6),
        1_000_000_000..120_000_000_000 => format!("{:.2} s", ns / 1e9),
        _ => format!("{:.1} min", ns / 60e9),
    }
}

/// A count with its thousands apart: `12,345`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Bytes in the unit that fits: `1.5 MiB`.
pub(crate) fn bytes(number: u64) -> String {
    let mut size = number as f64;
    for unit in ["B", "KiB", "MiB"] {
        if size < 1024.0 {
            return if unit == "B" {
                format!("{number} B")
            } else {
                format!("{size:.1} {unit}")
            };
        }
        size /= 1024.0;
    }
    format!("{size:.1} GiB")
}

/// A day and a time of day of the Gregorian calendar, in UTC: `2026-03-01 09:05:00`.
pub(crate) fn date(seconds_since_1970: u64) -> String {
    let (days, second) = (seconds_since_1970 / 86_400, seconds_since_1970 % 86_400);
    // Years begin in March here, so that a leap day is the last of its year; 400 years have 146,097 days.
    let since = days + 719_468;
    let (era, day) = (since / 146_097, since % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day + 2) / 153;
    let day = day - (153 * from_march + 2) / 5 + 1;
    let (month, later) = match from_march {
        0..10 => (from_march + 3, 0),
        _ => (from_march - 9, 1),
    };
    format!(
        "{:04}-{month:02}-{day:02} {:02}:{:02}:{:02}",
        era * 400 + year + later,
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

/// The round distance between marks that puts about `marks` of them on a length: 1, 2 or 5 times a power of ten.
pub(crate) fn round_step(length: f64, marks: f64) -> f64 {
    let raw = (length / marks).max(f64::MIN_POSITIVE);
    let power = 10f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0]
        .into_iter()
        .find(|factor| raw <= factor * power)
        .unwrap_or(10.0);
    factor * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_in_the_unit_that_fits() {
        assert_eq!(moment(12_345_678_901), "12.345 s");
        assert_eq!(
            [
                5,
                82_000,
                4_240_000,
                53_000_000,
                1_250_000_000,
                180_000_000_000
            ]
            .map(duration),
            ["5 ns", "82 \u{b5}s", "4.2 ms", "53 ms", "1.25 s", "3.0 min"]
        );
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [12, 1536, 3 << 20].map(bytes),
            ["12 B", "1.5 KiB", "3.0 MiB"]
        );
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        let known = [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (951_868_799, "2000-02-29 23:59:59"),
            (1_709_251_199, "2024-02-29 23:59:59"),
            (1_772_355_905, "2026-03-01 09:05:05"),
            (4_107_542_400, "2100-03-01 00:00:00"),
        ];
        for (seconds, wanted) in known {
            assert_eq!(date(seconds), wanted);
        }
    }

    #[test]
    fn marks_stand_at_round_numbers() {
        assert_eq!(round_step(70.0, 10.0), 10.0);
        assert_eq!(round_step(4.0, 10.0), 0.5);
        assert_eq!(round_step(11.0, 10.0), 2.0);
    }
}
