//! The colours, once, for light and for dark.
//!
//! The plotting library knows only plain colours. Plots are drawn in sentinels, colours that mean nothing, and each sentinel is then
//! replaced by the variable of its name, which the page sets for light or for dark.

use plotters::style::RGBColor;
use std::fmt::Write;

/// A colour by its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colour {
    /// The name of its variable, without the two dashes.
    pub(crate) name: &'static str,
    light: &'static str,
    dark: &'static str,
}

const fn colour(name: &'static str, light: &'static str, dark: &'static str) -> Colour {
    Colour { name, light, dark }
}

/// Every colour there is. Its position is its sentinel.
pub(crate) const COLOURS: &[Colour] = &[
    colour("paper", "#ffffff", "#161b24"),
    colour("wash", "#f3f5f8", "#0e1219"),
    colour("ink", "#1a2130", "#e7ebf3"),
    colour("soft", "#566073", "#9ca7ba"),
    colour("line", "#dde2ea", "#2b3443"),
    colour("accent", "#2257c5", "#82aaff"),
    colour("ok", "#1c7e57", "#4cc38f"),
    colour("fail", "#667082", "#8b96aa"),
    colour("info", "#a85c00", "#f2a83b"),
    colour("bad", "#c4283a", "#ff6f7d"),
    colour("lead", "#2257c5", "#82aaff"),
    colour("down", "#c4283a", "#ff6f7d"),
    colour("partition", "#6a5acd", "#9d90f5"),
    colour("crash", "#c6422c", "#ff8066"),
    colour("slow", "#137a89", "#41bccd"),
    colour("message", "#8f5a14", "#e0a04f"),
    colour("pause", "#4f7a1f", "#a3cf63"),
    colour("disk", "#a0307f", "#ee8ccd"),
    colour("clock", "#56708f", "#9fb8d8"),
    colour("membership", "#9a5b2b", "#d9a273"),
    colour("series-1", "#2b6fdc", "#74a5ff"),
    colour("series-2", "#9a45c9", "#cf93f5"),
    colour("series-3", "#0b857c", "#3fc7bb"),
    colour("series-4", "#a85a12", "#e3a15a"),
    colour("series-5", "#5f7312", "#b3c95a"),
    colour("series-6", "#b03079", "#f087bd"),
];

/// The colour of that name.
pub(crate) fn named(name: &str) -> Colour {
    let found = COLOURS.iter().find(|colour| colour.name == name);
    *found.expect("every colour that is asked for is in the list")
}

impl Colour {
    /// The colour as a drawing uses it.
    pub(crate) fn variable(self) -> String {
        format!("var(--{})", self.name)
    }

    /// The colour that stands for it until the plot is drawn.
    pub(crate) fn sentinel(self) -> RGBColor {
        let position = COLOURS
            .iter()
            .position(|colour| *colour == self)
            .unwrap_or(0);
        RGBColor(253, 1, position as u8)
    }
}

/// Replaces the sentinels in a drawing by variables.
pub(crate) fn dress(drawing: &str) -> String {
    let mut dressed = drawing.to_string();
    for colour in COLOURS {
        let RGBColor(red, green, blue) = colour.sentinel();
        dressed = dressed.replace(
            &format!("#{red:02X}{green:02X}{blue:02X}"),
            &colour.variable(),
        );
    }
    dressed
}

/// The style rules that set the variables: light, dark where the reader's system is dark, and either where the page was told so.
pub(crate) fn style() -> String {
    let list = |pick: fn(&Colour) -> &'static str| {
        COLOURS.iter().fold(String::new(), |mut rules, colour| {
            let _ = write!(rules, "--{}:{};", colour.name, pick(colour));
            rules
        })
    };
    let (light, dark) = (list(|colour| colour.light), list(|colour| colour.dark));
    format!(
        ":root{{color-scheme:light;{light}}}\n\
         @media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{color-scheme:dark;{dark}}}}}\n\
         :root[data-theme=dark]{{color-scheme:dark;{dark}}}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use stormglass_nemesis::faults::FAULTS;

    #[test]
    fn every_family_of_faults_has_a_colour() {
        for info in stormglass_nemesis::faults::FAULTS {
            assert_eq!(named(info.family).name, info.family);
        }
    }

    #[test]
    fn every_colour_has_a_name_and_a_sentinel_of_its_own() {
        let names: BTreeSet<_> = COLOURS.iter().map(|colour| colour.name).collect();
        assert_eq!(names.len(), COLOURS.len());
        assert_eq!(
            dress("fill=\"#FD0106\" stroke=\"#FD0104\""),
            "fill=\"var(--ok)\" stroke=\"var(--line)\""
        );
    }

    /// The relative luminance of a colour, as the Web Content Accessibility Guidelines define it.
    fn luminance(colour: &str) -> f64 {
        let channel = |from: usize| {
            let value = f64::from(u8::from_str_radix(&colour[from..from + 2], 16).unwrap()) / 255.0;
            if value <= 0.039_28 {
                value / 12.92
            } else {
                ((value + 0.055) / 1.055).powf(2.4)
            }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    #[test]
    fn text_and_marks_stand_out_from_the_paper_in_both_modes() {
        for pick in [|colour: Colour| colour.light, |colour: Colour| colour.dark] {
            let papers = [
                luminance(pick(named("paper"))),
                luminance(pick(named("wash"))),
            ];
            for colour in COLOURS
                .iter()
                .filter(|colour| !["paper", "wash", "line"].contains(&colour.name))
            {
                // The lines of the plots alone are never text, nor behind it.
                let wanted = if colour.name.starts_with("series-") {
                    3.0
                } else {
                    4.5
                };
                for paper in papers {
                    let mark = luminance(pick(*colour));
                    let contrast = (paper.max(mark) + 0.05) / (paper.min(mark) + 0.05);
                    assert!(contrast >= wanted, "{}: {contrast:.2}", colour.name);
                }
            }
        }
    }

    /// A fault without a colour is drawn black, and no legend says what it is.
    #[test]
    fn every_family_of_fault_has_its_colour_in_the_page_and_its_key_in_the_legend() {
        let css = include_str!("../templates/report.css");
        let page = include_str!("../templates/report.html");
        for family in FAULTS.iter().map(|info| info.family) {
            for selector in [".swatch.F{", ".key.F{", ".band.F,.chip.F{"] {
                let rule = selector.replace('F', family);
                assert!(css.contains(&rule), "no {rule}");
            }
            let key = format!("class=\"key bar {family}\"");
            assert!(page.contains(&key), "no {key}");
        }
    }
}
