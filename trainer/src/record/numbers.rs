//! Numbers and times as people read them.
//!
//! Nothing is read back from them: files hold numbers in full.
//!
//! Rooms it touches: none.

/// A value with four digits that matter; whole numbers whole.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        value.to_string()
    } else if value == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e7).contains(&size) {
        format!("{value:.2e}")
    } else if value.fract() == 0.0 || size >= 1e3 {
        grouped(value)
    } else {
        let decimals = (3 - size.log10().floor() as i32).max(0) as usize;
        format!("{value:.decimals$}")
    }
}

/// A tick of an axis that is this long: as many decimals as tell neighbours apart.
pub(crate) fn tick(value: f64, axis: f64) -> String {
    // Neighbours are at least a tenth of the axis apart.
    let decimals = (1.0 - (axis * 1.001).log10().floor()).max(0.0) as usize;
    // The sum of steps that should have been 0.
    let value = if value.abs() < axis * 1e-9 { 0.0 } else { value };
    match decimals {
        _ if value == 0.0 => "0".to_owned(),
        _ if axis >= 1e7 || (decimals > 4 && (value.abs() < 1e-2 || decimals > 9)) => {
            let digits = (value.abs() / axis).log10().floor().clamp(0.0, 14.0) as usize + 1;
            format!("{value:.digits$e}")
        }
        _ if axis >= 10.0 => grouped(value),
        decimals => {
            let text = format!("{value:.decimals$}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

/// A span of time.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", grouped((whole / 3_600) as f64), whole / 60 % 60),
    }
}

/// Rounded, its thousands apart.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let sign = if value < 0.0 && digits != "0" { "-" } else { "" };
    let mut text = sign.to_owned();
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{duration, grouped, number, tick};

    #[test]
    fn numbers_have_four_digits() {
        let expected = [
            (0.0, "0"),
            (0.5, "0.5000"),
            (-12.345_67, "-12.35"),
            (64.0, "64"),
            (999.96, "1000.0"),
            (6_234.7, "6,235"),
            (-1e6, "-1,000,000"),
            (5e-5, "5.00e-5"),
            (2.5e9, "2.50e9"),
            (f64::NAN, "NaN"),
        ];
        for (value, text) in expected {
            assert_eq!(number(value), text);
        }
        assert_eq!(
            (grouped(-0.2), grouped(100.0), grouped(1_000.0)),
            ("0".into(), "100".into(), "1,000".into())
        );
    }

    #[test]
    fn ticks_tell_neighbours_apart_and_no_more() {
        let axes: [(f64, &[f64], &[&str]); 10] = [
            (1.0, &[0.0, 0.2, 0.4], &["0", "0.2", "0.4"]),
            (0.3, &[0.05, 0.1, 0.15], &["0.05", "0.1", "0.15"]),
            (0.005, &[0.001, 0.0015], &["0.001", "0.0015"]),
            (3_000.0, &[500.0, 1_000.0], &["500", "1,000"]),
            (2e-4, &[5e-5, 1e-4], &["5.0e-5", "1.0e-4"]),
            (6e-5, &[1e-5, 2e-5], &["1.0e-5", "2.0e-5"]),
            (1e-5, &[0.169_34, 0.169_342], &["0.16934", "0.169342"]),
            (1e-5, &[0.005, 0.005_002], &["5.000e-3", "5.002e-3"]),
            (3e9, &[5e8, 1e9], &["5.0e8", "1.0e9"]),
            (2.0, &[-0.5, 3e-17, 0.5], &["-0.5", "0", "0.5"]),
        ];
        for (axis, ticks, texts) in axes {
            assert_eq!(ticks.iter().map(|value| tick(*value, axis)).collect::<Vec<_>>(), texts);
        }
    }

    #[test]
    fn times_have_two_units_at_most() {
        let expected =
            [(0.04, "0.0 s"), (9.4, "9.4 s"), (59.4, "59 s"), (61.0, "1 min 1 s"), (5_400.0, "1 h 30 min")];
        for (seconds, text) in expected {
            assert_eq!(duration(seconds), text);
        }
    }
}
