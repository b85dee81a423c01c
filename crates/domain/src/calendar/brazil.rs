//! Holidays of Brazil by law, for any year.
//!
//! Good Friday is left to the towns by Lei 9.093/1995, but the yearly federal ordinance lists it, so it counts as national. Carnival and
//! Corpus Christi are no national holidays; banks are closed on them, and the federal government gives its servants the day off.

use chrono::{Datelike, NaiveDate, TimeDelta, Weekday};

use crate::wire::wire_names;

wire_names! {
    /// Holidays that belong together.
    pub enum HolidaySet as "HolidaySet" {
        /// National holidays of Brazil, with Good Friday.
        Br = "br",
        /// Days on which banks are closed in Brazil: national holidays, Carnival and Corpus Christi.
        BrBank = "br-bank",
        /// Optional days of the federal government: Carnival, Ash Wednesday until 14:00, Corpus Christi.
        BrOptional = "br-optional",
        /// Acre.
        BrAc = "br-ac",
        /// Alagoas.
        BrAl = "br-al",
        /// Amazonas.
        BrAm = "br-am",
        /// Amapá.
        BrAp = "br-ap",
        /// Bahia.
        BrBa = "br-ba",
        /// Ceará.
        BrCe = "br-ce",
        /// Distrito Federal.
        BrDf = "br-df",
        /// Espírito Santo.
        BrEs = "br-es",
        /// Goiás.
        BrGo = "br-go",
        /// Maranhão.
        BrMa = "br-ma",
        /// Minas Gerais.
        BrMg = "br-mg",
        /// Mato Grosso do Sul.
        BrMs = "br-ms",
        /// Mato Grosso.
        BrMt = "br-mt",
        /// Pará.
        BrPa = "br-pa",
        /// Paraíba.
        BrPb = "br-pb",
        /// Pernambuco.
        BrPe = "br-pe",
        /// Piauí.
        BrPi = "br-pi",
        /// Paraná.
        BrPr = "br-pr",
        /// Rio de Janeiro.
        BrRj = "br-rj",
        /// Rio Grande do Norte.
        BrRn = "br-rn",
        /// Rondônia.
        BrRo = "br-ro",
        /// Roraima.
        BrRr = "br-rr",
        /// Rio Grande do Sul.
        BrRs = "br-rs",
        /// Santa Catarina.
        BrSc = "br-sc",
        /// Sergipe.
        BrSe = "br-se",
        /// São Paulo.
        BrSp = "br-sp",
        /// Tocantins.
        BrTo = "br-to",
    }
}

/// A holiday on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holiday {
    /// Its name, in Portuguese.
    pub name: &'static str,
    /// The second of the day at which it ends: 86,400, or earlier.
    pub until_s: i64,
}

/// A holiday, its day, and the years in which it is one.
struct Law {
    name: &'static str,
    when: When,
    from: i32,
    to: i32,
    until_h: i64,
}

#[derive(Clone, Copy)]
enum When {
    /// Month and day.
    Fixed(u32, u32),
    /// Days after Easter Sunday.
    Easter(i64),
    /// The first Sunday not before this day.
    Sunday(u32, u32),
    /// This day; from Tuesday to Thursday, the Friday after it.
    OrFriday(u32, u32),
}

use When::{Easter, Fixed, OrFriday, Sunday};

const EVER: i32 = i32::MAX;
/// Since when a state may have holidays: Lei 9.093/1995.
const STATES: i32 = 1996;

const fn law(name: &'static str, when: When, from: i32, to: i32) -> Law {
    Law { name, when, from, to, until_h: 24 }
}

const fn since(name: &'static str, when: When, from: i32) -> Law {
    law(name, when, from, EVER)
}

const fn of_state(name: &'static str, when: When) -> Law {
    since(name, when, STATES)
}

/// Lei 662/1949, 1.266/1950, 6.802/1980, 10.607/2002, 14.759/2023.
const NATIONAL: [Law; 10] = [
    since("Confraternização Universal", Fixed(1, 1), 1936),
    since("Sexta-feira Santa", Easter(-2), 1936),
    since("Tiradentes", Fixed(4, 21), 1933),
    since("Dia do Trabalhador", Fixed(5, 1), 1925),
    since("Independência do Brasil", Fixed(9, 7), 1891),
    since("Nossa Senhora Aparecida", Fixed(10, 12), 1980),
    since("Finados", Fixed(11, 2), 1891),
    since("Proclamação da República", Fixed(11, 15), 1891),
    since("Dia Nacional de Zumbi e da Consciência Negra", Fixed(11, 20), 2024),
    since("Natal", Fixed(12, 25), 1922),
];
const BANK: [Law; 3] =
    [since("Carnaval", Easter(-48), 1891), since("Carnaval", Easter(-47), 1891), since("Corpus Christi", Easter(60), 1891)];
const OPTIONAL: [Law; 4] = [
    since("Carnaval", Easter(-48), 1891),
    since("Carnaval", Easter(-47), 1891),
    Law { name: "Quarta-feira de Cinzas", when: Easter(-46), from: 1891, to: EVER, until_h: 14 },
    since("Corpus Christi", Easter(60), 1891),
];
const NEGRA: &str = "Consciência Negra";
const ZUMBI: When = Fixed(11, 20);
/// The last year before it became national.
const ZUMBI_TO: i32 = 2023;

const AC: [Law; 9] = [
    law("Dia do Evangélico", Fixed(1, 23), 2005, 2008),
    since("Dia do Evangélico", OrFriday(1, 23), 2009),
    law("Dia Internacional da Mulher", Fixed(3, 8), 2002, 2008),
    since("Dia Internacional da Mulher", OrFriday(3, 8), 2009),
    of_state("Aniversário do Acre", Fixed(6, 15)),
    law("Dia da Amazônia", Fixed(9, 5), 2004, 2008),
    since("Dia da Amazônia", OrFriday(9, 5), 2009),
    law("Assinatura do Tratado de Petrópolis", Fixed(11, 17), STATES, 2008),
    since("Assinatura do Tratado de Petrópolis", OrFriday(11, 17), 2009),
];
const AL: [Law; 5] = [
    of_state("São João", Fixed(6, 24)),
    of_state("São Pedro", Fixed(6, 29)),
    of_state("Emancipação Política de Alagoas", Fixed(9, 16)),
    law(NEGRA, ZUMBI, STATES, ZUMBI_TO),
    since("Dia do Evangélico", Fixed(11, 30), 2013),
];
const AM: [Law; 2] = [of_state("Elevação do Amazonas à categoria de província", Fixed(9, 5)), law(NEGRA, ZUMBI, 2010, ZUMBI_TO)];
const AP: [Law; 4] = [
    since("São José", Fixed(3, 19), 2003),
    since("São Tiago", Fixed(7, 25), 2012),
    of_state("Criação do Território Federal", Fixed(9, 13)),
    law(NEGRA, ZUMBI, 2008, ZUMBI_TO),
];
const BA: [Law; 1] = [of_state("Independência da Bahia", Fixed(7, 2))];
const CE: [Law; 3] = [
    of_state("São José", Fixed(3, 19)),
    of_state("Abolição da escravidão no Ceará", Fixed(3, 25)),
    since("Nossa Senhora da Assunção", Fixed(8, 15), 2004),
];
const DF: [Law; 2] = [of_state("Fundação de Brasília", Fixed(4, 21)), of_state("Dia do Evangélico", Fixed(11, 30))];
const ES: [Law; 1] = [since("Nossa Senhora da Penha", Easter(8), 2020)];
const GO: [Law; 2] = [of_state("Fundação da cidade de Goiás", Fixed(7, 26)), of_state("Pedra fundamental de Goiânia", Fixed(10, 24))];
const MA: [Law; 1] = [of_state("Adesão do Maranhão à independência do Brasil", Fixed(7, 28))];
const MG: [Law; 1] = [of_state("Execução de Tiradentes", Fixed(4, 21))];
const MS: [Law; 1] = [of_state("Criação do Estado", Fixed(10, 11))];
const MT: [Law; 1] = [law(NEGRA, ZUMBI, 2003, ZUMBI_TO)];
const PA: [Law; 1] = [of_state("Adesão do Grão-Pará à independência do Brasil", Fixed(8, 15))];
const PB: [Law; 1] = [of_state("Fundação do Estado", Fixed(8, 5))];
const PE: [Law; 2] =
    [law("Revolução Pernambucana de 1817", Sunday(3, 1), 2008, 2017), since("Revolução Pernambucana de 1817", Fixed(3, 6), 2018)];
const PI: [Law; 1] = [of_state("Dia do Piauí", Fixed(10, 19))];
const PR: [Law; 2] = [law("Emancipação do Paraná", Fixed(12, 19), STATES, 2013), since("Nossa Senhora do Rocio", Fixed(11, 15), 2014)];
const RJ: [Law; 3] = [since("Carnaval", Easter(-47), 2009), since("São Jorge", Fixed(4, 23), 2008), law(NEGRA, ZUMBI, 2002, ZUMBI_TO)];
const RN: [Law; 2] = [since("Dia do Rio Grande do Norte", Fixed(8, 7), 2000), since("Mártires de Cunhaú e Uruaçu", Fixed(10, 3), 2007)];
const RO: [Law; 2] = [of_state("Criação do Estado", Fixed(1, 4)), since("Dia do Evangélico", Fixed(6, 18), 2002)];
const RR: [Law; 1] = [of_state("Criação do Estado", Fixed(10, 5))];
const RS: [Law; 1] = [of_state("Dia do Gaúcho", Fixed(9, 20))];
const SC: [Law; 6] = [
    law("Dia do Estado de Santa Catarina", Fixed(8, 11), 2004, 2004),
    since("Dia do Estado de Santa Catarina", Sunday(8, 11), 2005),
    law("Dia de Santa Catarina de Alexandria", Fixed(11, 25), STATES, 1998),
    law("Dia de Santa Catarina de Alexandria", Sunday(11, 25), 1999, 2003),
    law("Dia de Santa Catarina de Alexandria", Fixed(11, 25), 2004, 2004),
    since("Dia de Santa Catarina de Alexandria", Sunday(11, 25), 2005),
];
const SE: [Law; 1] = [of_state("Emancipação política de Sergipe", Fixed(7, 8))];
const SP: [Law; 1] = [since("Revolução Constitucionalista", Fixed(7, 9), 1997)];
const TO: [Law; 3] = [
    since("Dia da Autonomia", Fixed(3, 18), 1998),
    of_state("Nossa Senhora da Natividade", Fixed(9, 8)),
    of_state("Criação do Estado", Fixed(10, 5)),
];

impl HolidaySet {
    /// Its holidays on a day.
    pub fn on(self, date: NaiveDate) -> impl Iterator<Item = Holiday> {
        let national: &[Law] = if matches!(self, Self::Br | Self::BrBank) { &NATIONAL } else { &[] };
        let laws = national.iter().chain(self.own());
        laws.filter(move |law| law.is_on(date)).map(|law| Holiday { name: law.name, until_s: law.until_h * 3600 })
    }

    /// Its holidays in a year, by day.
    pub fn in_year(self, year: i32) -> impl Iterator<Item = (NaiveDate, Holiday)> {
        let first = NaiveDate::from_ymd_opt(year, 1, 1);
        let days = first.into_iter().flat_map(|first| first.iter_days()).take_while(move |day| day.year() == year);
        days.flat_map(move |day| self.on(day).map(move |holiday| (day, holiday)))
    }

    const fn own(self) -> &'static [Law] {
        match self {
            Self::Br => &[],
            Self::BrBank => &BANK,
            Self::BrOptional => &OPTIONAL,
            Self::BrAc => &AC,
            Self::BrAl => &AL,
            Self::BrAm => &AM,
            Self::BrAp => &AP,
            Self::BrBa => &BA,
            Self::BrCe => &CE,
            Self::BrDf => &DF,
            Self::BrEs => &ES,
            Self::BrGo => &GO,
            Self::BrMa => &MA,
            Self::BrMg => &MG,
            Self::BrMs => &MS,
            Self::BrMt => &MT,
            Self::BrPa => &PA,
            Self::BrPb => &PB,
            Self::BrPe => &PE,
            Self::BrPi => &PI,
            Self::BrPr => &PR,
            Self::BrRj => &RJ,
            Self::BrRn => &RN,
            Self::BrRo => &RO,
            Self::BrRr => &RR,
            Self::BrRs => &RS,
            Self::BrSc => &SC,
            Self::BrSe => &SE,
            Self::BrSp => &SP,
            Self::BrTo => &TO,
        }
    }
}

impl Law {
    fn is_on(&self, date: NaiveDate) -> bool {
        let year = date.year();
        (self.from..=self.to).contains(&year)
            && match self.when {
                Fixed(month, day) => (date.month(), date.day()) == (month, day),
                Easter(days) => easter(year).and_then(|sunday| sunday.checked_add_signed(TimeDelta::days(days))) == Some(date),
                Sunday(month, day) => {
                    let first = NaiveDate::from_ymd_opt(year, month, day);
                    date.weekday() == Weekday::Sun && first.is_some_and(|first| (0..7).contains(&(date - first).num_days()))
                }
                OrFriday(month, day) => NaiveDate::from_ymd_opt(year, month, day).is_some_and(|by_law| or_friday(by_law) == date),
            }
    }
}

fn or_friday(by_law: NaiveDate) -> NaiveDate {
    let days = match by_law.weekday() {
        Weekday::Tue => 3,
        Weekday::Wed => 2,
        Weekday::Thu => 1,
        _ => 0,
    };
    by_law + TimeDelta::days(days)
}

/// Easter Sunday of a year of the Gregorian calendar, by the algorithm of Meeus, Jones and Butcher.
#[must_use]
pub fn easter(year: i32) -> Option<NaiveDate> {
    let (golden, century, of_century) = (year.rem_euclid(19), year.div_euclid(100), year.rem_euclid(100));
    let correction = (century - (century + 8) / 25 + 1) / 3;
    let moon = (19 * golden + century - century / 4 - correction + 15).rem_euclid(30);
    let weekday = (32 + 2 * (century % 4) + 2 * (of_century / 4) - moon - of_century % 4).rem_euclid(7);
    let late = (golden + 11 * moon + 22 * weekday) / 451;
    let days = moon + weekday - 7 * late + 114;
    NaiveDate::from_ymd_opt(year, u32::try_from(days / 31).ok()?, u32::try_from(days % 31 + 1).ok()?)
}
