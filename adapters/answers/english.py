"""Word lists of English, each word separated by white space."""

from __future__ import annotations

__all__ = [
    "BEFORE_NUMBER",
    "IRREGULAR_FORMS",
    "LIGHT_WORDS",
    "MEASURE_WORDS",
    "NEVER_LAST",
    "NUMBER_WORDS",
    "PERHAPS_LAST",
    "RELATED_WORDS",
    "SENTENCE_OPENERS",
    "STOP_WORDS",
    "WEAK_WORDS",
]

STOP_WORDS = """
a an the this that these those it its itself he him his she her hers they them their theirs we us our ours i me my
mine myself you your yours yourself and or but nor so if then than before after as of at by for from in into on onto
to with about over under again out up down off during while when where who whom whose which what why how there here
be is am are was were been being do does did doing have has had having can could will would shall should may
might must ca wo not no yes any some all each both few more most other such only own same too very just also ever
even still yet please hello hi hey thanks thank okay ok um uh er hm oh ah tell say said know want let give ask
curious actually really much many often something anything everything someone anyone somebody anybody everybody
"""
"""Function words, and the courtesies around a question: they say nothing about its subject."""

LIGHT_WORDS = """
located situated called named name kind type sort happen happens happened mean means use uses used using work works
working done go goes get gets got come comes take takes thing things way bit lot exactly like look time times place one
try put possible available part number amount
"""
"""Words that carry no question by themselves."""

WEAK_WORDS = """
make need bring brought see offer offered allow allowed permit permitted start starts started begin begins began
"""
"""Words that carry a question only if nothing else does: "what should I bring", but not "can I bring my dog"."""

MEASURE_WORDS = """
old tall high long wide deep big large heavy far fast hot cold
"""
"""What "how" asks a figure for. Without a figure a sentence that has the word has it about something else."""

NEVER_LAST = """
dr mr mrs ms messrs prof st mt ft gen col capt lt sgt rev hon pres gov sen rep fr br e.g i.e vs cf viz approx ca fig
figs vol ed eds al dept univ est jan feb mar apr jun jul aug sep sept oct nov dec
"""
"""Abbreviations that are followed by the rest of their phrase."""

BEFORE_NUMBER = """
no nos nr p pp art sec ch
"""
"""Abbreviations when a number follows; words of their own otherwise."""

PERHAPS_LAST = """
etc inc ltd co corp jr sr bros a.m p.m ave blvd rd
"""
"""Abbreviations that may also end a sentence."""

SENTENCE_OPENERS = """
the a an this that these those it its he she they we you i his her their our my your there here in on at by for from
with to of as and but or so if when while where after before since until although because however today now then what
who why how which both all each every some many most no not one
"""
"""Words that open a sentence far more often than they follow an initial or an acronym."""

NUMBER_WORDS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen twenty
"""
"""Words for 0, 1, 2 and so on: recognisers write "five" or "5" as they please."""

IRREGULAR_FORMS = """
keep kept; build built; begin began begun; sell sold; buy bought; bring brought; teach taught; catch caught; think
thought; fight fought; win won; lose lost; leave left; hold held; stand stood; speak spoke spoken; break broke
broken; steal stole stolen; write wrote written; drive drove driven; ride rode ridden; rise rose risen; eat ate
eaten; give gave given; draw drew drawn; grow grew grown; know knew known; throw threw thrown; fly flew flown; sing
sang sung; sink sank sunk; swim swam swum; ring rang rung; run ran; come came; become became; go went gone; see saw
seen; make made; pay paid; lay laid; hear heard; feed fed; lead led; meet met; sleep slept; feel felt; send sent;
spend spent; lend lent; burn burnt; learn learnt; die dying; lie lying; choose chose chosen; freeze froze frozen;
wear wore worn; tear tore torn; bite bit bitten; hide hid hidden; fall fell fallen; take took taken; shake shook
shaken; forget forgot forgotten; get got; sit sat; shoot shot; strike struck; dig dug; hang hung; stick stuck; man
men; woman women; child children; person people persons; foot feet; tooth teeth; goose geese; mouse mice; wolf
wolves; knife knives; wife wives; half halves; ox oxen
"""
"""Forms that no stemmer takes to their base form, which stands first."""

RELATED_WORDS = """
old: age aged century built open opened found founded establish completed construct dates dated born
tall: height high metre m meter foot feet storey
high: height tall metre m meter foot feet
long: length span stretch metre m km meter kilometre kilometer mile feet hour minute day week month year last takes
wide: width broad across metre meter feet
deep: depth metre m meter feet
big: size large area square hectare acre
large: size big area square hectare acre
heavy: weigh weight kg ton tonne kilogram pound
far: distance km kilometre kilometer mile metre meter away
hot: heat hottest temperature degree warm
cold: coldest temperature degree freeze
fast: speed quick quickly knot
cost: price euro dollar pound cent free charge pay fee expensive cheap ticket admission
price: cost euro dollar pound cent free charge pay fee admission
expensive: cost price euro dollar pound
fee: price cost charge euro dollar pound
admission: ticket entry entrance price
entry: admission entrance ticket
entrance: entry admission ticket door
pay: cost price euro dollar pound charge fee free
built: construct erected completed builder
build: construct erected completed builder
builder: built build construct
construct: build built erected
open: opening hours
close: open opening hours
begin: start open
start: begin open
founded: establish start created
established: founded start created
end: finish close stop
finish: end complete close
invent: create design develop
inventor: invented created designed
make: build carve create produce consist contain brick stone wood steel iron
create: made make design found
designed: architect engineer plan drew
designer: designed architect engineer plan
architect: designed design plan drew
engineer: designed design built
wrote: author write written
writer: wrote author written
author: wrote write written
paint: painted painter artist
painter: painted paint artist
born: birth
died: death dead killed
own: owner belong
owner: own belong
live: home habitat inhabit
eat: food feed diet serve
inhabitant: people live resident population
population: people live inhabitant resident
cook: bake boil fry roast
kid: child children
children: child kid
child: children kid son daughter
son: child children boy
daughter: child children girl
car: vehicle automobile park parking
colour: color painted red orange yellow green blue black white grey brown turquoise purple violet pink gold silver
color: colour painted red orange yellow green blue black white grey brown turquoise purple violet pink gold silver
buy: sell sold sale shop purchase
sell: buy sold sale shop
phone: call telephone line
telephone: call phone line
contact: call phone telephone email mail reach write
reach: contact call phone telephone email
call: phone telephone
ready: done finished
done: ready finished
weekend: saturday sunday
weekday: monday tuesday wednesday thursday friday
spring: march april may
summer: june july august
autumn: september october november
winter: december january february
dangerous: danger safe risk
safe: safety danger risk
broken: broke break fail
crash: dies die fail killed
private: privacy secret
teach: teacher trainer instructor lesson course
teacher: trainer instructor teach
doctor: physician surgery clinic
bike: bicycle cycle
bicycle: bike cycle
bag: luggage baggage suitcase
luggage: bag baggage suitcase
toilet: restroom bathroom lavatory
bathroom: toilet restroom
wifi: internet wlan
internet: wifi wlan online
food: eat meal restaurant cafe snack kitchen
drink: beverage bar coffee tea water
pet: dog cat animal
dog: pet animal
storm: wind weather gale
windy: wind storm
rain: weather wet
address: street road avenue square
email: mail write
holiday: vacation christmas easter
shop: store buy sell
film: movie cinema
illness: ill sick disease
sick: ill illness disease
ill: sick illness disease
language: english speak
"""
"""What a word in a question is answered with: ``asked: answering ...``."""
