//! What people of the synthetic world have, do, like and visit: the lists that values are taken from.
//!
//! What a question tells apart by its type is in one list only. None has a word by which core's guard
//! knows an ending ("left", "lost") or an addition ("second", "both"): as a part of a value it would mean neither.
//! A held-out story takes every fifth of each list, a training story the others.
//!
//! Rooms it touches: none.

pub(super) const CITIES: &[&str] = &[
    "Lisbon", "Leeds", "Boston", "Seattle", "York", "Hull", "Porto", "Madrid", "Seville", "Valencia", "Lyon", "Nantes",
    "Toulouse", "Bordeaux", "Lille", "Ghent", "Antwerp", "Utrecht", "Rotterdam", "Groningen", "Hamburg", "Leipzig",
    "Dresden", "Cologne", "Munich", "Vienna", "Graz", "Salzburg", "Zurich", "Basel", "Geneva", "Milan", "Turin", "Bologna",
    "Naples", "Palermo", "Athens", "Thessaloniki", "Plovdiv", "Bucharest", "Budapest", "Krakow", "Gdansk", "Wroclaw", "Prague",
    "Brno", "Bratislava", "Ljubljana", "Zagreb", "Varna", "Belgrade", "Tallinn", "Riga", "Vilnius", "Helsinki",
    "Tampere", "Stockholm", "Gothenburg", "Malmo", "Oslo", "Bergen", "Trondheim", "Copenhagen", "Aarhus", "Dublin",
    "Galway", "Glasgow", "Edinburgh", "Aberdeen", "Cardiff", "Swansea", "Bristol", "Exeter", "Norwich", "Sheffield",
    "Manchester", "Liverpool", "Newcastle", "Denver", "Portland", "Chicago", "Detroit", "Minneapolis", "Nashville",
    "Atlanta", "Miami", "Tucson", "Albuquerque", "Sacramento", "Oakland", "Vancouver", "Calgary", "Winnipeg", "Toronto",
    "Montreal", "Halifax", "Melbourne", "Adelaide", "Brisbane", "Hobart", "Wellington", "Auckland", "Dunedin", "Osaka",
    "Kyoto", "Sapporo", "Nagoya", "Seoul", "Busan", "Taipei", "Bangkok", "Hanoi", "Jakarta", "Mumbai", "Pune", "Nairobi",
    "Cape Town", "Accra", "Dakar", "Tunis", "Cairo", "Haifa", "Izmir", "Ankara", "Tbilisi", "Yerevan", "Montevideo",
    "Rosario", "Cordoba", "Valparaiso", "Lima", "Cusco", "Quito", "Bogota", "Medellin", "Guadalajara", "Oaxaca",
];

pub(super) const COUNTRIES: &[&str] = &[
    "Portugal", "Spain", "Italy", "Greece", "Croatia", "Norway", "Sweden", "Finland", "Iceland", "Ireland", "Scotland",
    "Poland", "Hungary", "Romania", "Bulgaria", "Albania", "Estonia", "Latvia", "Lithuania", "Slovenia", "Austria",
    "Switzerland", "Belgium", "Denmark", "Morocco", "Tunisia", "Egypt", "Kenya", "Tanzania", "Namibia", "Botswana",
    "Ghana", "Senegal", "Ethiopia", "Madagascar", "Japan", "Vietnam", "Thailand", "Cambodia", "Laos", "Malaysia",
    "Indonesia", "Nepal", "India", "Mongolia", "Peru", "Bolivia", "Chile", "Argentina", "Uruguay", "Brazil", "Colombia",
    "Ecuador", "Mexico", "Guatemala", "Cuba", "Canada", "Australia", "Fiji", "Samoa",
];

pub(super) const JOBS: &[&str] = &[
    "nurse", "baker", "carpenter", "librarian", "plumber", "electrician", "architect", "translator", "paramedic",
    "pharmacist", "dentist", "surveyor", "accountant", "florist", "gardener", "welder", "tailor", "midwife", "optician",
    "beekeeper", "journalist", "photographer", "illustrator", "bookseller", "butcher", "cheesemaker", "sound engineer",
    "software developer", "data analyst", "civil engineer", "bus driver", "train driver", "tram conductor", "ship pilot",
    "flight attendant", "air traffic controller", "firefighter", "police officer", "park ranger", "zookeeper",
    "veterinarian", "radiologist", "physiotherapist", "speech therapist", "social worker", "school principal",
    "maths teacher", "art teacher", "kindergarten teacher", "tour guide", "hotel manager", "chef", "barista", "sommelier",
    "brewer", "glassblower", "potter", "goldsmith", "watchmaker", "piano tuner", "violin maker", "stage designer",
    "lighting technician", "film editor", "proofreader", "lawyer", "notary", "judge", "tax adviser", "estate agent",
    "insurance broker", "bank clerk", "postal worker", "courier", "roofer", "mason", "bricklayer", "tiler", "painter",
    "locksmith", "mechanic", "machinist", "chemist", "geologist", "astronomer", "marine biologist", "statistician",
];

/// How somebody works.
pub(super) const SHIFTS: &[&str] = &[
    "on night shifts", "on early shifts", "on weekends only", "on a freelance basis", "on half days", "on split shifts",
    "on a trial contract", "on a fixed contract", "from home", "from a shared office", "in evening shifts",
    "in a rotating schedule",
];

pub(super) const COMPANIES: &[&str] = &[
    "Brightwell Labs", "Fernhill Press", "Oakridge Motors", "Silverlake Clinic", "Northgate Bank", "Harbourline Freight",
    "Bluefin Software", "Copperfield Foods", "Greystone Partners", "Larkspur Studios", "Marlow Textiles", "Nimbus Airways",
    "Palisade Insurance", "Quarry Road School", "Redwood Analytics", "Saltmarsh Brewery", "Thornbury Hospital",
    "Umbra Optics", "Vantage Rail", "Westbrook Dairy", "Yellowtail Media", "Zephyr Energy", "Alderman Books",
    "Birchwood Clinic", "Cobalt Systems", "Dovetail Furniture", "Eastgate Library", "Foxglove Pharmacy", "Granite Mills",
    "Hollyhock Nursery", "Ironbridge Steel", "Juniper Hotels", "Kestrel Aviation", "Lighthouse Charity", "Millstone Bakery",
    "Nettlefold Tools", "Orchard Street Theatre", "Pinnacle Telecom", "Quicksilver Couriers", "Riverside College",
    "Sandpiper Travel", "Tidewater Shipping", "Upland Farms", "Verdigris Gallery", "Willowbank Hospice", "Amberley Council",
    "Beacon Robotics", "Clearwater Utilities", "Driftwood Cafe", "Evergreen Parks", "Flintlock Games", "Goldcrest Jewellers",
    "Hazelmere Hospital", "Inkwell Publishing", "Jackdaw Records", "Kingfisher Boats", "Lodestar Maps", "Moorland Museum",
    "Newhaven Port", "Osprey Drones",
];

/// Teams of a company.
pub(super) const TEAMS: &[&str] = &[
    "in the finance team", "in the legal team", "in the design team", "in the research group", "in the sales office",
    "in the archive", "in the canteen", "in the warehouse", "in the press office", "in the training centre",
    "on the help desk", "on the board",
];

/// What somebody lives near.
pub(super) const LANDMARKS: &[&str] = &[
    "harbour", "cathedral", "old market", "botanical garden", "railway station", "university", "football stadium",
    "city park", "river bridge", "town hall", "castle", "opera house", "observatory", "water tower", "fish market",
    "main library", "canal", "windmill", "tram depot", "swimming lake",
];

pub(super) const CARS: &[&str] = &[
    "Volvo", "Fiat", "Skoda", "Toyota", "Peugeot", "Renault", "Subaru", "Mazda", "Honda", "Kia", "Hyundai", "Opel",
    "Citroen", "Nissan", "Suzuki", "Dacia", "Saab", "Tesla", "Jeep", "Audi", "Lexus", "Mitsubishi", "Lancia", "Polestar",
];

/// Colours of things one owns.
pub(super) const PAINTS: &[&str] = &[
    "red", "blue", "green", "black", "white", "silver", "grey", "yellow", "orange", "purple", "brown", "turquoise",
];

/// Things one has or has not.
pub(super) const THINGS: &[&str] = &[
    "bike", "kayak", "drone", "telescope", "motorbike", "caravan", "sailboat", "loom", "camper van", "surfboard", "tandem",
    "scooter", "typewriter", "record player", "greenhouse", "sauna", "trampoline", "canoe", "microscope", "rowing machine",
    "treadmill", "pool table", "film camera", "darkroom", "kiln", "anvil", "cargo trailer", "hot tub", "dinghy", "snowboard",
];

pub(super) const PHONES: &[&str] = &[
    "Pixel", "Fairphone", "Galaxy", "Nokia", "Xperia", "Moto", "Zenfone", "Redmi", "Blackberry", "Ericsson",
];

pub(super) const DRINKS: &[&str] = &[
    "matcha", "black coffee", "espresso", "chai", "green tea", "mint tea", "hot chocolate", "lemonade", "ginger beer",
    "cider", "kombucha", "elderflower juice", "tomato juice", "mango lassi", "rooibos", "oat latte", "iced tea",
    "sparkling water", "apple juice", "buttermilk", "cold brew", "hibiscus tea", "root beer", "tonic water", "sherry",
];

pub(super) const DISHES: &[&str] = &[
    "lasagne", "ramen", "paella", "goulash", "pierogi", "pad thai", "risotto", "moussaka", "shakshuka", "dal makhani",
    "tacos", "borscht", "bibimbap", "fish pie", "ratatouille", "gnocchi", "couscous", "falafel", "dumplings", "feijoada",
    "mushroom stew", "pumpkin soup", "fried rice", "onion tart", "lentil curry", "potato salad", "beef stroganoff",
    "spinach quiche", "jollof rice", "okonomiyaki",
];

pub(super) const COLOURS: &[&str] = &[
    "teal", "crimson", "indigo", "mustard", "lavender", "emerald", "burgundy", "coral", "ivory", "maroon", "olive green",
    "navy blue", "magenta", "ochre", "scarlet", "cobalt blue", "mint green", "charcoal", "turquoise blue", "lilac",
];

pub(super) const FLOWERS: &[&str] = &[
    "peonies", "tulips", "sunflowers", "orchids", "daffodils", "lilies", "roses", "dahlias", "poppies", "snowdrops",
    "hydrangeas", "magnolias", "carnations", "irises", "marigolds", "violets", "anemones", "cornflowers", "gladioli",
    "camellias",
];

pub(super) const SPORTS: &[&str] = &[
    "badminton", "handball", "curling", "rugby", "cricket", "ice hockey", "volleyball", "table tennis", "water polo",
    "baseball", "biathlon", "figure skating", "lacrosse", "squash", "darts", "snooker", "archery", "judo", "rowing", "golf",
];

pub(super) const GENRES: &[&str] = &[
    "horror", "science fiction", "westerns", "romantic comedies", "documentaries", "film noir", "musicals", "thrillers",
    "anime", "heist movies", "courtroom dramas", "silent movies", "war movies", "fantasy", "spy movies",
];

pub(super) const DOG_NAMES: &[&str] = &[
    "Buddy", "Scout", "Rex", "Bello", "Fido", "Rufus", "Bandit", "Waffles", "Biscuit", "Ziggy", "Moose", "Nacho", "Pretzel",
    "Tango", "Baxter", "Diesel", "Gizmo", "Kobi", "Loki", "Maple", "Noodle", "Otis", "Pickles", "Rolo", "Sparky", "Tofu",
    "Waldo", "Yoshi", "Zeus", "Barkley", "Cosmo", "Domino", "Echo", "Frodo", "Hobbes",
];

pub(super) const CAT_NAMES: &[&str] = &[
    "Luna", "Milo", "Simba", "Nala", "Mittens", "Whiskers", "Shadow", "Salem", "Pumpkin", "Misty", "Tigger", "Felina",
    "Cleo", "Oreo", "Mochi", "Sushi", "Minka", "Pixie", "Smokey", "Socks", "Garfunkel", "Binx", "Cashew", "Duchess",
    "Figaro", "Kiki", "Marble", "Nimbo", "Pebbles", "Saffy",
];

pub(super) const SMALL_PET_NAMES: &[&str] = &[
    "Clover", "Thumper", "Bugsy", "Hazelnut", "Cinnabun", "Flopsy", "Peanutty", "Snuffles", "Nibbles", "Popcorn", "Radish",
    "Turnip", "Button", "Sprout", "Cupcake", "Dandelion", "Fudge", "Gadget", "Jellybean", "Kumquat", "Pippin", "Sesame",
    "Truffle", "Wombat", "Zucchini",
];

/// Colour or kind of an animal's coat.
pub(super) const COATS: &[&str] = &[
    "brown", "black", "white", "grey", "spotted", "golden", "ginger", "cream", "striped", "long-haired", "short-haired",
    "curly", "fluffy", "chestnut", "sandy",
];

pub(super) const HOBBIES: &[&str] = &[
    "hiking", "chess", "pottery", "birdwatching", "knitting", "woodcarving", "calligraphy", "bouldering", "fencing",
    "kitesurfing", "geocaching", "origami", "juggling", "stargazing", "stamp collecting", "model building", "gardening",
    "beatboxing", "fly fishing", "foraging", "scuba diving", "salsa dancing", "tai chi", "yoga", "bread baking",
    "home brewing", "wood turning", "cross stitch", "quilting", "puppetry", "magic tricks", "crossword puzzles",
    "metal detecting", "trainspotting", "bookbinding", "soap making", "urban sketching", "watercolours", "parkour",
    "slacklining", "orienteering", "ice skating", "unicycling", "improv theatre", "poetry slams", "bell ringing",
    "genealogy", "lock picking", "mushroom hunting", "macrame",
];

pub(super) const MUSIC: &[&str] = &[
    "jazz", "blues", "folk", "techno", "reggae", "baroque", "flamenco", "gospel", "punk", "bossa nova", "klezmer",
    "bluegrass", "ambient", "salsa", "swing", "ska", "heavy metal", "country", "choral", "hip hop",
];

pub(super) const ANIMALS: &[&str] = &[
    "turtles", "hedgehogs", "foxes", "bats", "bees", "crows", "squirrels", "lizards", "llamas", "frogs", "penguins",
    "owls", "elephants", "dolphins", "otters", "giraffes", "octopuses", "sloths", "seals", "wolves",
];

/// The last ten are the first ten of `ANIMALS`, held out alike: one can like what one is allergic to.
pub(super) const ALLERGENS: &[&str] = &[
    "peanuts", "shellfish", "birch pollen", "cat hair", "walnuts", "strawberries", "latex", "penicillin", "wasp stings",
    "house dust", "soy", "sesame seeds", "mustard", "celery", "kiwis", "nickel", "lupins", "mould", "chlorine",
    "ragweed", "eggs", "milk protein", "goose feathers", "aspirin", "cashews",
    "turtles", "hedgehogs", "foxes", "bats", "bees", "crows", "squirrels", "lizards", "llamas", "frogs",
];

pub(super) const LANGUAGES: &[&str] = &[
    "French", "German", "Spanish", "Italian", "Portuguese", "Dutch", "Swedish", "Norwegian", "Danish", "Finnish", "Polish",
    "Czech", "Hungarian", "Romanian", "Greek", "Turkish", "Arabic", "Hebrew", "Persian", "Hindi", "Bengali", "Urdu",
    "Mandarin", "Cantonese", "Japanese", "Korean", "Vietnamese", "Thai", "Swahili", "Welsh", "Basque", "Catalan",
    "Icelandic", "Latvian", "Maltese",
];

/// How well one speaks.
pub(super) const FLUENCIES: &[&str] = &["fluent", "basic", "broken", "passable", "conversational", "rusty"];

pub(super) const INSTRUMENTS: &[&str] = &[
    "cello", "piano", "violin", "trumpet", "clarinet", "accordion", "banjo", "harp", "oboe", "saxophone", "drums",
    "ukulele", "mandolin", "bassoon", "flute", "trombone", "double bass", "church organ", "harmonica", "bagpipes",
    "marimba", "viola", "recorder", "electric guitar", "french horn", "tuba", "zither", "sitar", "harpsichord", "cornet",
];

pub(super) const CONDITIONS: &[&str] = &[
    "asthma", "migraines", "eczema", "tinnitus", "sciatica", "hay fever", "arthritis", "insomnia", "vertigo",
    "high blood pressure", "diabetes", "heartburn", "psoriasis", "tennis elbow", "anaemia",
];

pub(super) const PLANS: &[&str] = &[
    "learn surfing", "build a shed", "write a novel", "open a bakery", "walk the Camino", "restore a boat", "keep bees",
    "record an album", "study law", "adopt a greyhound", "run a triathlon", "climb Kilimanjaro", "start a podcast",
    "plant an orchard", "buy a houseboat", "get a pilot licence", "convert the attic", "cycle to Istanbul",
    "master sign language", "paint a mural", "found a choir", "move abroad", "take a sabbatical",
    "dig a pond",
];

pub(super) const SUBJECTS: &[&str] = &[
    "biology", "history", "physics", "philosophy", "medicine", "economics", "archaeology", "linguistics", "geography",
    "informatics", "music theory", "ceramic art", "psychology", "sociology", "chemistry", "mathematics", "theology",
    "politics", "dentistry", "pharmacy", "robotics", "forestry", "landscape design", "nutrition",
    "anthropology",
];

pub(super) const VEHICLES: &[&str] = &[
    "bus", "tram", "ferry", "bicycle", "train", "moped", "metro", "carpool", "trolleybus", "cable car", "e-scooter", "funicular",
];

pub(super) const DIETS: &[&str] = &[
    "vegan", "vegetarian", "gluten free", "kosher", "halal", "keto", "raw", "pescatarian", "low carb", "paleo",
];

pub(super) const CLUBS: &[&str] = &[
    "chess club", "film society", "book circle", "rowing crew", "sailing school", "allotment association",
    "debating union", "astronomy group", "alpine guild", "history workshop", "bridge round", "running pack",
    "wine tasters", "village choir", "brass band", "theatre troupe", "volunteer fire brigade", "parents council",
    "cycling federation", "photo collective", "dance company", "repair cafe", "food bank", "neighbourhood watch",
    "quiz team",
];

pub(super) const BOOKS: &[&str] = &[
    "The Glass Orchard", "Midnight Ferry", "A Season of Salt", "The Cartographer", "Paper Lanterns", "The Ninth Bell",
    "Harvest of Ash", "Letters to Nowhere", "The Quiet Engine", "Songs of Gravel", "The Winter Clock", "Blue Thistle",
    "The Map Thief", "Under Violet Skies", "The Beekeeper's Code", "Stone Sparrow", "The Tin Astronomer",
    "A House of Rain", "The Velvet Tide", "Northern Alphabet", "The Moth Collector", "Iron Ink", "The Copper Hour",
    "Wild Geometry", "The Amber Road",
];

pub(super) const LESSONS: &[&str] = &[
    "singing", "ceramics", "boxing", "sewing", "tango", "pilates", "karate", "drawing", "cooking", "swimming", "ballet",
    "carpentry", "upholstery", "meditation", "trapeze", "horse riding", "skiing", "guitar", "acting", "aikido",
];

pub(super) const DAYS: &[&str] =
    &["Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays"];
